"""Which of several estimates of one kernel to keep, judged by the image that each restores."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from unblur.context import Context
from unblur.kernels import Kernel
from unblur.synthesis import blur_image, crop_valid
from unblur_classic.hyper_laplacian import HyperLaplacian

EXPONENT = 0.5
"""Of the gradient's length: small enough that two faint edges cost more than a strong one."""
UNEXPLAINED = 1.0
"""Weight of what the data show and the restored image does not."""


def most_plausible(
    kernels: Iterable[Tensor], y: Tensor, trusted: Tensor, context: Context
) -> Tensor:
    """Return the kernel (n, n) with the least `implausibility`; a single one is not looked at.

    Parameters
    ----------
    kernels : iterable of (n, n)
        Non-negative, of positive sum; made one by one as they are asked for.
    y, trusted : (H, W)
        The blurred image, and 1 where a pixel may be trusted.
    context : Context
        Device and cancellation; nothing is reported.
    """
    found = list(kernels)
    if len(found) == 1:
        return found[0]
    silent = context.with_(on_progress=lambda _: None)
    return min(found, key=lambda kernel: implausibility(kernel, y, trusted, silent))


def implausibility(kernel: Tensor, y: Tensor, trusted: Tensor, context: Context) -> float:
    """Return how unlike a sharp image that explains the data a kernel's result is; less is better.

    It is the mean of `|grad x|^0.5` over the pixels of the image `x` that `hyper-laplacian`
    restores, contrast of the blurred image = 1, plus the share of the blurred image's contrast
    that `k * x` leaves unexplained. What blur spreads, and the ghosts and waves that a wrong
    kernel adds, are many faint gradients in place of few strong ones, which an exponent below 1
    makes dear. Residuals alone cannot tell: a kernel of one pixel explains everything.

    Parameters
    ----------
    kernel : (n, n)
        Non-negative, of positive sum.
    y, trusted : (H, W)
        The blurred image, in any unit, and 1 where a pixel may be trusted, else 0.
    context : Context
        Device and cancellation.

    References
    ----------
    The exponent: D. Krishnan, R. Fergus, "Fast image deconvolution using hyper-Laplacian
    priors", NIPS 2009. That a restored image's sparsity tells right kernels from wrong ones:
    D. Krishnan, T. Tay, R. Fergus, "Blind deconvolution using a normalized sparsity measure",
    CVPR 2011.
    """
    # What the context states of noise, levels and clipping is in the units of another image.
    context = context.with_(noise=None, contrast=None, brightness=None, ceiling=None)
    image = y / y[trusted > 0].std()
    known = Kernel(kernel.cpu().numpy())
    stage = HyperLaplacian(exponent=EXPONENT)
    sharp = stage.deconvolve(image[None], known, context, trusted)[0]
    down, across = sharp.diff(dim=0)[:, :-1], sharp.diff(dim=1)[:-1]
    roughness = (down.square() + across.square()).pow(EXPONENT / 2).mean()
    seen = crop_valid(trusted, known) > 0
    residual = (blur_image(sharp, known) - crop_valid(image, known))[seen]
    return float(roughness + UNEXPLAINED * residual.square().mean().sqrt())
