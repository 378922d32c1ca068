"""Freeing a kernel of its specks: light that noise has put where there is none."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def pruned(kernel: Tensor, faint: float, small: float) -> Tensor:
    """Return a kernel without what is faint or apart from the rest: non-negative, of sum 1.

    Parameters
    ----------
    kernel : (n, n) or (A, n, n)
        Of any sum; negative values become 0. Weights of poses are pruned like kernels.
    faint : float
        Share of the peak below which a sample becomes 0.
    small : float
        Share of the sum below which a piece that touches no other becomes 0.
    """
    kernel = torch.where(kernel < faint * kernel.max(), 0, kernel)
    kernel = kernel / kernel.sum()
    values = kernel.cpu().numpy()
    pieces, count = ndimage.label(values > 0, np.ones((3,) * kernel.ndim))
    if count > 1:
        sums = ndimage.sum(values, pieces, np.arange(count + 1))
        doomed = sums < min(small, float(sums.max()))
        kernel = torch.where(torch.from_numpy(doomed[pieces]).to(kernel.device), 0, kernel)
    return kernel / kernel.sum()
