"""How plausible an estimate of a kernel is, judged by the image that it restores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Prior
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian

EXPONENT = 0.5
"""Of the gradient's length: small enough that two faint edges cost more than a strong one."""
UNEXPLAINED = 1.0
"""Weight of what the data show and the restored image does not."""


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
        the image brought to contrast 1; without one it is `implausibility`.
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
        return implausibility(sharp, kernel, image, self.trusted) if told is None else told

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
        context = self.context.with_(
            on_progress=lambda _: None, noise=None, contrast=None, brightness=None, ceiling=None
        )
        known = Kernel(kernel.cpu().numpy())
        stage = HyperLaplacian(exponent=EXPONENT)
        return stage.deconvolve(image[None], known, context, self.trusted)[0]


def implausibility(sharp: Tensor, kernel: Tensor, image: Tensor, trusted: Tensor) -> float:
    """Return how unlike a sharp image that explains the data a restored one is; less is better.

    It is the mean of `|grad sharp|^0.5` over the pixels, plus the share of the blurred image's
    contrast that its blur leaves unexplained. What blur spreads, and the ghosts and waves that a
    wrong kernel adds, are many faint gradients in place of few strong ones, which an exponent
    below 1 makes dear. Residuals alone cannot tell: a kernel of one pixel explains everything.

    Parameters
    ----------
    sharp : (H, W)
        What a kernel restores from the image.
    kernel : (n, n)
        Non-negative, of positive sum.
    image, trusted : (H, W)
        The blurred image, of contrast 1, and 1 where a pixel may be trusted, else 0.

    References
    ----------
    The exponent: D. Krishnan, R. Fergus, "Fast image deconvolution using hyper-Laplacian
    priors", NIPS 2009. That a restored image's sparsity tells right kernels from wrong ones:
    D. Krishnan, T. Tay, R. Fergus, "Blind deconvolution using a normalized sparsity measure",
    CVPR 2011.
    """
    known = Kernel(kernel.cpu().numpy())
    down, across = sharp.diff(dim=0)[:, :-1], sharp.diff(dim=1)[:-1]
    roughness = (down.square() + across.square()).pow(EXPONENT / 2).mean()
    seen = crop_valid(trusted, known) > 0
    residual = (blur_image(sharp, known) - crop_valid(image, known))[seen]
    return float(roughness + UNEXPLAINED * residual.square().mean().sqrt())
