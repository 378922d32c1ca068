"""Scores of kernels, by the image that is restored with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Prior
from unblur.numerics.metrics.blind import blind_quality, gradient_sparsity
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian

EXPONENT = 0.5
"""Exponent of the prior with which images are restored to be scored, dimensionless."""
NEGATIVE_ALLOWANCE = 0.03
"""Negative light up to which a restored image is not scored by it, in units of the blurred image's
contrast. True kernels leave some, where the scene is dark and the kernel large."""
DARK_ALLOWANCE = 0.3
"""Negative light that does not count, per share of dark pixels, in units of the blurred image's
contrast. Lights that the sensor clipped ring, into black where there is much of it."""
DARK_LIGHT = 0.1
"""Light up to which a pixel of the blurred image is dark, in units of the image's contrast."""
NEGATIVE_WEIGHT = 10.0
"""Weight of further negative light in the logarithm of the sparsity, per contrast; see
`sparsity_score`."""
MAX_EXPONENT = 50.0
"""Largest exponent by which negative light raises a score, dimensionless."""
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


def normalized_sparsity(image: Tensor, valid: Tensor, kernel: Tensor, black: float = 0.0) -> float:
    """Return the `sparsity_score` of the image that a kernel restores; lower is better.

    Parameters
    ----------
    image, valid : (h, w)
        The blurred image, and 1 at valid pixels, else 0.
    kernel : (n, n)
        Non-negative, of positive sum.
    black : float
        The value of no light in `image`; minus infinity if it is not known.

    Returns
    -------
    float
        Does not depend on the contrast.
    """
    scorer = KernelScorer(image, valid, Context())
    contrast = float(image[valid > 0].std())
    image, black = image / contrast, black / contrast
    sharp = scorer.restore(kernel, image)
    return sparsity_score(sharp, kernel, black, dark_share(image, black))


def dark_share(image: Tensor, black: float = 0.0) -> float:
    """Return the share of the pixels of an image, of contrast 1, that are dark, in [0, 1].

    Parameters
    ----------
    image : (h, w)
        The blurred image.
    black : float
        The value of no light; minus infinity if it is not known.
    """
    return float((image - black <= DARK_LIGHT).float().mean())


def sparsity_score(sharp: Tensor, kernel: Tensor, black: float = 0.0, dark: float = 0.0) -> float:
    """Return the normalised sparsity of a restored image, raised by much negative light.

    A wrong kernel may restore an image of few strong edges. No scene has less than no light, and to
    explain the data with edges of its own choice, such an image has much of it.

    Parameters
    ----------
    sharp : (h, w)
        The restored image of a blurred image of contrast 1.
    kernel : (n, n)
        Of which the extent is used.
    black : float
        The value of no light; minus infinity if it is not known.
    dark : float
        Share of the blurred image's pixels that are dark, in [0, 1]; see `dark_share`.
    """
    excess = max(negative_light(sharp, kernel, black, dark) - NEGATIVE_ALLOWANCE, 0.0)
    exponent = NEGATIVE_WEIGHT * excess
    return sparsity_of(sharp, kernel) * exp(min(exponent, MAX_EXPONENT))


def negative_light(sharp: Tensor, kernel: Tensor, black: float = 0.0, dark: float = 0.0) -> float:
    """Return the mean of what lies below black in a restored image, less a border of half a kernel.

    What true kernels leave in dark scenes is subtracted (`DARK_ALLOWANCE`).

    Parameters
    ----------
    sharp : (h, w)
        The restored image.
    kernel : (n, n)
        Of which the extent is used.
    black : float
        The value of no light, in the units of the image; minus infinity if it is not known.
    dark : float
        Share of the blurred image's pixels that are dark, in [0, 1]; see `dark_share`.

    Returns
    -------
    float
        At least 0, in the units of the image.

    Example
    -------
    >>> import torch
    >>> negative_light(torch.tensor([[-0.5, 0.5], [1.0, 1.0]]), torch.ones(1, 1))
    0.125
    """
    negative = float((black - _inside(sharp, kernel)).clamp_min(0).mean())
    return max(negative - DARK_ALLOWANCE * dark, 0.0)


def sparsity_of(image: Tensor, kernel: Tensor) -> float:
    """Return `|grad x|_1 / |grad x|_2` of an image (h, w), less a border of half a kernel.

    References
    ----------
    D. Krishnan, T. Tay, R. Fergus, "Blind deconvolution using a normalized sparsity measure",
    CVPR 2011.
    """
    return float(gradient_sparsity(_inside(image, kernel)))


def _inside(image: Tensor, kernel: Tensor) -> Tensor:
    """Return an image (h, w) less a border of half a kernel, or all of it if it has under four."""
    border = max(kernel.shape[-1] // 2, 2)
    if min(image.shape) > 4 * border:
        return image[border:-border, border:-border]
    return image
