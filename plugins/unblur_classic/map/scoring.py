"""Scores of kernels, by the image that is restored with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Prior
from unblur.numerics.metrics.blind import blind_quality, gradient_sparsity
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian

EXPONENT = 0.5
"""Exponent of the prior with which images are restored to be scored, dimensionless."""
RESIDUAL_WEIGHT = 1.0
"""Weight of the unexplained part of the data's contrast in the blind quality, dimensionless."""


@dataclass(frozen=True)
class KernelScorer:
    """Score of a kernel, lower for kernels whose restored image is sharper and explains the data.

    Attributes
    ----------
    y, valid : (H, W)
        The blurred image, and 1 at valid pixels.
    context : Context
        Device and cancellation; progress is not reported.
    priors : sequence of Prior
        The first that defines a `blur_score` scores the image that `hyper-laplacian` restores at
        contrast 1; without one, `estimate_blind_quality` does.
    """

    y: Tensor
    valid: Tensor
    context: Context
    priors: Sequence[Prior] = ()

    def __call__(self, kernel: Tensor) -> float:
        """Return the score of a kernel (n, n) of positive sum; lower is better."""
        image = self.y / self.y[self.valid > 0].std()
        sharp = self.restore(kernel, image)
        score = None if self.prior is None else self.prior.blur_score(sharp[None])
        return estimate_blind_quality(sharp, kernel, image, self.valid) if score is None else score

    @property
    def prior(self) -> Prior | None:
        """The first prior that defines a blur score."""
        return next((p for p in self.priors if type(p).blur_score is not Prior.blur_score), None)

    @property
    def stop_score(self) -> float:
        """Score at or below which a search stops."""
        return float("-inf") if self.prior is None else self.prior.stop_score

    def restore(self, kernel: Tensor, image: Tensor) -> Tensor:
        """Return the image (h, w), of contrast 1, that a kernel restores."""
        # The context's noise, contrast and saturation are in the units of another image.
        context = self.context.silent().with_(
            noise=None, contrast=None, brightness=None, saturation_level=None
        )
        psf = Kernel(kernel.cpu().numpy())
        stage = HyperLaplacian(exponent=EXPONENT)
        return stage.deconvolve(image[None], psf, context, self.valid)[0]


def estimate_blind_quality(sharp: Tensor, kernel: Tensor, image: Tensor, valid: Tensor) -> float:
    """Score a restored image by `unblur.numerics.metrics.blind.blind_quality`; lower is better.

    Blur, and the ringing and ghosts of a wrong kernel, are many weak gradients in place of few
    strong ones.

    Parameters
    ----------
    sharp : (H, W)
        Image restored with the kernel.
    kernel : (n, n)
        Non-negative, of positive sum.
    image, valid : (H, W)
        The blurred image, of contrast 1, and 1 at valid pixels, else 0.
    """
    residual = residual_of(sharp, kernel, image, valid)
    return blind_quality(sharp, residual, method="power", weight=RESIDUAL_WEIGHT)


def residual_of(sharp: Tensor, kernel: Tensor, image: Tensor, valid: Tensor) -> Tensor:
    """Return what a restored image leaves unexplained of the blurred one, at its valid pixels."""
    psf = Kernel(kernel.cpu().numpy())
    inside = crop_valid(valid, psf) > 0
    return (blur_image(sharp, psf) - crop_valid(image, psf))[inside]


def normalized_sparsity(image: Tensor, valid: Tensor, kernel: Tensor) -> float:
    """Return `|grad x|_1 / |grad x|_2` of the image that a kernel restores; lower is better.

    Parameters
    ----------
    image, valid : (h, w)
        The blurred image, and 1 at valid pixels, else 0.
    kernel : (n, n)
        Non-negative, of positive sum.

    Returns
    -------
    float
        Per pixel, without the border of half a kernel; does not depend on the contrast.

    References
    ----------
    D. Krishnan, T. Tay, R. Fergus, "Blind deconvolution using a normalized sparsity measure",
    CVPR 2011.
    """
    scorer = KernelScorer(image, valid, Context())
    return sparsity_of(scorer.restore(kernel, image / image[valid > 0].std()), kernel)


def sparsity_of(image: Tensor, kernel: Tensor) -> float:
    """Return `|grad x|_1 / |grad x|_2` of an image (h, w), less a border of half a kernel."""
    border = max(kernel.shape[-1] // 2, 2)
    if min(image.shape) > 4 * border:
        image = image[border:-border, border:-border]
    return float(gradient_sparsity(image))
