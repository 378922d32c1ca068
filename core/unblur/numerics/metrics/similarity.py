"""Similarity of an estimated kernel to the true one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unblur.errors import KernelError
from unblur.model.kernel import Kernel


def kernel_similarity(estimate: Any, truth: Any) -> float:
    """Return the largest normalised cross-correlation of two kernels over all integer shifts.

    Parameters
    ----------
    estimate, truth : Kernel or array
        Kernels with the same number of axes; their extents may differ.

    Returns
    -------
    float
        In [0, 1] for non-negative kernels, 1 where they are equal up to a shift and a factor.

    Raises
    ------
    KernelError
        If a kernel is all zeros or the numbers of axes differ.

    References
    ----------
    Z. Hu, M.-H. Yang, "Good regions to deblur", ECCV 2012, section 4.
    """
    a, b = _weights(estimate), _weights(truth)
    if a.ndim != b.ndim:
        raise KernelError(f"kernels to compare have as many axes, got {a.shape} and {b.shape}.")
    from scipy.signal import fftconvolve  # slow to import, and few runs compare kernels

    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not (np.isfinite(scale) and scale > 0):
        raise KernelError("a kernel to compare is finite and not all zeros.")
    return float(fftconvolve(a, np.flip(b)).max()) / scale


def _weights(kernel: Any) -> NDArray[np.float64]:
    if isinstance(kernel, Kernel):
        kernel = kernel.weights
    if isinstance(kernel, Tensor):
        kernel = kernel.detach().cpu().numpy()
    return np.asarray(kernel, np.float64)
