"""How plausible an estimate of a kernel is, judged by the image that it restores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Prior
from unblur.numerics.metrics.blind import blind_quality
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian

EXPONENT = 0.5
"""Exponent of the prior with which images are restored to be scored, dimensionless."""
RESIDUAL_WEIGHT = 1.0
"""Weight of the unexplained part of the data's contrast in the blind quality, dimensionless."""


@dataclass(frozen=True)
class Judge:
    """Tells how unlike a sharp image that explains the data a kernel's result is.

    Attributes
    ----------
    y, trusted : (H, W)
        The blurred image, and 1 where a pixel may be trusted.
    context : Context
        Device and cancellation; nothing is reported.
    priors : sequence of Prior
        Of those that give verdicts, the first is asked about what `hyper-laplacian` restores from
        the image brought to contrast 1; without one it is `estimate_blind_quality`.
    """

    y: Tensor
    trusted: Tensor
    context: Context
    priors: Sequence[Prior] = ()

    def __call__(self, kernel: Tensor) -> float:
        """Return the verdict on a kernel (n, n) of positive sum; less is better."""
        image = self.y / self.y[self.trusted > 0].std()
        sharp = self._restored(kernel, image)
        told = None if self.asked is None else self.asked.blur_score(sharp[None])
        return estimate_blind_quality(sharp, kernel, image, self.trusted) if told is None else told

    @property
    def asked(self) -> Prior | None:
        """The first prior that gives verdicts."""
        return next((p for p in self.priors if type(p).blur_score is not Prior.blur_score), None)

    @property
    def enough(self) -> float:
        """The verdict below which no better kernel need be looked for."""
        return float("-inf") if self.asked is None else self.asked.stop_score

    def _restored(self, kernel: Tensor, image: Tensor) -> Tensor:
        # What the context states of noise, levels and clipping is in the units of another image.
        context = self.context.silent().with_(
            noise=None,
            contrast=None,
            brightness=None,
            saturation_level=None,
        )
        known = Kernel(kernel.cpu().numpy())
        stage = HyperLaplacian(exponent=EXPONENT)
        return stage.deconvolve(image[None], known, context, self.trusted)[0]


def estimate_blind_quality(sharp: Tensor, kernel: Tensor, image: Tensor, valid: Tensor) -> float:
    """Score what a kernel restores by `unblur.numerics.metrics.blind.blind_quality`.

    Blur and the artefacts of a wrong kernel are many weak gradients in place of few strong ones.

    Parameters
    ----------
    sharp : (H, W)
        Image restored with the kernel.
    kernel : (n, n)
        Non-negative, of positive sum.
    image, valid : (H, W)
        The blurred image, of contrast 1, and 1 = valid pixel.
    """
    known = Kernel(kernel.cpu().numpy())
    inside = crop_valid(valid, known) > 0
    residual = (blur_image(sharp, known) - crop_valid(image, known))[inside]
    return blind_quality(sharp, residual, method="power", weight=RESIDUAL_WEIGHT)
