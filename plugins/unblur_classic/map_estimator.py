"""Blind kernel estimation by maximum a posteriori, from coarse to fine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from unblur import stages
from unblur.allocation import retained_memory
from unblur.colour import to_luma
from unblur.context import Context
from unblur.errors import ImageError
from unblur.extent import estimate_extent
from unblur.kernels import Kernel
from unblur.plugins import registry
from unblur.pyramid import Scale, resize_kernel, scales
from unblur.stages import Estimate, PriorChoice
from unblur_classic.alternation import alternate
from unblur_classic.centring import centred_on_mass
from unblur_classic.kernel_step import fit_kernel, pruned, recentred
from unblur_classic.latent_step import WeightedPrior
from unblur_classic.median import median_filtered

CONTRAST = 0.16
"""Standard deviation that an image is brought to, so that weights suit dim and bright ones."""
FAINT, SMALL, LEAST = 0.02, 0.03, 0.01
"""What `pruned` removes on the way, and the share of the peak that is left out of the result."""


class MapEstimator(stages.KernelEstimator):
    """The kernel and latent image that are most probable together, found in turns.

    Minimises, over the scene `x` and the kernel `k >= 0` of sum 1::

        |M (k * x - y)|^2 + ridge |k|^2 + sum_j weight_j prior_j(x)

    It assumes one kernel for the whole image, edges in several directions, and moderate noise.
    The default prior, the number of gradients, favours sharp edges over blurred ones.

    Parameters
    ----------
    params : Params or mapping, optional
        See `MapEstimator.Params`.

    Notes
    -----
    From a coarse scale, where the kernel measures about 5 pixels, to the full one, latent
    image and kernel are estimated in turns. The kernel is a non-negative least-squares fit on
    gradients, of which at first only the strongest count; specks that touch nothing else
    are dropped. In the last iterations all gradients count and the priors' weights fall.
    What was not observed, beyond the border or under the mask, is filled with what the latest
    latent image predicts.

    Colour images are estimated on their luma. Salt-and-pepper noise fits no kernel; `median`
    removes it for the estimate, not from the image that is deconvolved afterwards.

    Examples
    --------
    >>> from unblur.context import Context
    >>> from unblur.metrics import kernel_similarity
    >>> from unblur.testing import gaussian, scene
    >>> given = scene((96, 96), gaussian((9, 9), 1.5))
    >>> estimate = MapEstimator(size=9).estimate(given.blurred, Context())
    >>> kernel_similarity(estimate.kernel.weights, given.kernel.weights) > 0.8
    True

    References
    ----------
    J. Pan, Z. Hu, Z. Su, M.-H. Yang, "L0-regularized intensity and gradient prior for
    deblurring text images and beyond", IEEE TPAMI 39(2), 2017. S. Cho, S. Lee, "Fast motion
    deblurring", ACM TOG 28(5), 2009. L. Li et al., "Learning a discriminative prior for blind
    image deblurring", CVPR 2018, section 4.
    """

    name = "map"
    summary = "Coarse-to-fine MAP with any priors; for one shaken photograph."
    cites = "J. Pan et al., L0-Regularized Intensity and Gradient Prior, IEEE TPAMI 39(2), 2017"

    class Params(stages.Params):
        """Settings of MAP estimation."""

        size: Literal["auto"] | Annotated[int, Field(ge=3, le=199)] = Field(
            "auto",
            description="Extent of the frame of the kernel in pixels, 3 to 199, which must hold "
            "all of the blur, or auto for what a first look at half the image's size finds; the "
            "image measures at least twice as much.",
        )
        priors: tuple[PriorChoice, ...] = Field(
            (PriorChoice(prior="l0-gradient", weight=4e-3),),
            min_length=1,
            description="Priors on the latent image, each with its weight against the squared "
            "residual of an image of contrast 0.16.",
        )
        iterations: int = Field(5, ge=1, le=100, description="Turns at every scale.")
        refinements: int = Field(
            10, ge=0, le=100, description="Further turns at full size, with falling weights."
        )
        ridge: float = Field(
            0.5, ge=0, le=100, description="Weight of the squared kernel; more is smoother."
        )
        median: Literal[1, 3, 5] = Field(
            1,
            description="Edge in pixels of a median filter before the estimate; 3 takes out "
            "salt-and-pepper noise, 1 does nothing.",
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel, without the latent image, a cartoon; see `KernelEstimator`."""
        y, trusted, size = prepared(blurred, context, mask, self.params)
        with retained_memory():
            kernel = self._descend(y, trusted, size, context)
        kernel = torch.where(kernel < LEAST * kernel.max(), 0, kernel)
        return Estimate.of(Kernel(centred_on_mass(kernel).cpu().numpy()))

    def _descend(self, y: Tensor, trusted: Tensor, size: int, context: Context) -> Tensor:
        """Return the kernel found from coarse to fine."""
        levels = scales(size)
        turns = self.params.iterations * len(levels) + self.params.refinements
        tick = context.ticker(self.name, turns)
        priors = weighted(self.params.priors)
        return alternate(y, trusted, OneKernel(), levels, priors, self.params, tick)


class OneKernel:
    """The same kernel everywhere: a `BlurModel` of one piece."""

    def pieces(self, image: Tensor, scale: Scale) -> Tensor:
        """Return the image as it is."""
        return image

    def first(self, scale: Scale, like: Tensor) -> Tensor:
        """Return a kernel of two neighbouring pixels, from which any direction can grow."""
        kernel = like.new_zeros(scale.size, scale.size)
        centre = scale.size // 2
        kernel[centre, centre - 1 : centre + 1] = 0.5
        return kernel

    def grown(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the kernel stretched."""
        return resize_kernel(weights, scale.size)

    def kernels(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the weights: they are the kernel."""
        return weights

    def fitted(
        self, weights: Tensor, scale: Scale, sharp: Tensor, blurred: Tensor, ridge: float
    ) -> Tensor:
        """Return the non-negative least-squares fit without its specks."""
        return pruned(fit_kernel(sharp, blurred, weights, ridge=ridge), FAINT, SMALL)

    def recentred(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the kernel in the middle of its frame."""
        return recentred(weights)


def weighted(choices: Iterable[PriorChoice]) -> list[WeightedPrior]:
    """Return the priors that params choose, built."""
    return [
        WeightedPrior(registry().stage("prior", c.prior)(dict(c.params)), c.weight)  # type: ignore[arg-type]
        for c in choices
    ]


def prepared(
    blurred: Tensor, context: Context, mask: Tensor | None, params: MapEstimator.Params
) -> tuple[Tensor, Tensor, int]:
    """Return luma at `CONTRAST`, where it may be trusted, (H, W) each, and the kernel's extent.

    Raises
    ------
    ImageError
        If the image is too small for the kernel, or shows nothing.
    """
    context.checkpoint()
    luma = median_filtered(to_luma(blurred)[0], params.median)
    trusted = torch.ones_like(luma) if mask is None else mask
    y = normalised(luma, trusted)
    size = estimate_extent(y[None], context) if params.size == "auto" else params.size
    check_size(size, y)
    return y, trusted, size


def normalised(luma: Tensor, trusted: Tensor) -> Tensor:
    """Return the image at the contrast that weights are meant for, untrusted pixels filled in."""
    spread = float(luma[trusted > 0].std()) if bool((trusted > 0).any()) else 0.0
    if not spread > 0:
        raise ImageError(
            "a kernel cannot be estimated from an image of one value; "
            "give the PSF, or an image with edges."
        )
    if not bool(trusted.all()):
        untrusted = (trusted == 0).cpu().numpy()
        nearest = distance_transform_edt(untrusted, return_distances=False, return_indices=True)
        rows, columns = torch.from_numpy(nearest).to(luma.device)
        luma = luma[rows, columns]
    return luma * (CONTRAST / spread)


def check_size(size: int, y: Tensor) -> None:
    """Raise `ImageError` for an image (H, W) that is less than twice as large as the kernel."""
    if min(y.shape) < 2 * size:
        raise ImageError(
            f"an image of {tuple(y.shape)} pixels is too small to estimate a kernel of "
            f"{size}; it takes twice the kernel at least. Set kernel.size to "
            f"{min(y.shape) // 2} or less, or give a larger image."
        )
