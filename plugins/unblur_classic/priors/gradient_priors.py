"""Priors on gradients: how many there are, how long they are, or in between."""

from __future__ import annotations

from abc import abstractmethod

import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.numerics.fourier import fft, inverse_fft
from unblur.numerics.operators import gradient, gradient_adjoint, laplacian_otf
from unblur.numerics.proximal import shrink
from unblur.numerics.solvers import admm

SMALLEST = 1e-3
"""Length of a gradient below which energies are rounded off, white = 1."""
PENALTY, SWEEPS = 2.0, 50
"""Of ADMM in `proximal`: weight of the constraint relative to the distance, and steps."""


class GradientPrior(stages.Prior):
    """A prior that is a sum over the pixels of a function of the gradient there.

    `shrink_gradient` is the proximal map of that function; a stage that splits the gradient off
    uses it directly. `proximal`, on the image, is ADMM, which nears the minimum where the
    function is convex and a good local one where it is not. The image is periodic.
    """

    @abstractmethod
    def shrink_gradient(self, slopes: Tensor, step: float) -> Tensor:
        """Return `argmin_g step * energy(g) + |g - slopes|^2 / 2`.

        Parameters
        ----------
        slopes : (ndim, ..., *spatial)
            A gradient as `unblur.numerics.operators.gradient` returns it.
        step : float
            Positive.
        """

    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Return `argmin_u step * energy(u) + |u - x|^2 / 2` by ADMM; `x` if that is no better."""
        ndim = x.ndim - 1
        shape = x.shape[-ndim:]
        given, total = fft(x, ndim), 1 + PENALTY * laplacian_otf(shape, x)

        def solve(slopes: Tensor) -> Tensor:
            pull = given + PENALTY * fft(gradient_adjoint(slopes, ndim), ndim)
            return inverse_fft(pull / total, shape)

        u = admm(
            solve,
            lambda v: gradient(v, ndim),
            lambda slopes: self.shrink_gradient(slopes, step / PENALTY),
            x,
            iterations=SWEEPS,
        )
        better = step * self.energy(u) + (u - x).square().sum() / 2 < step * self.energy(x)
        return u if bool(better) else x


class L0Gradient(GradientPrior):
    """How many pixels have a gradient at all: piecewise constant images.

    It is what makes blind estimation by MAP prefer the sharp image; its own images are
    cartoons, good to estimate a kernel from, not to keep.

    Notes
    -----
    A count has no derivative, so that the energy is `sum |g|^2 / (|g|^2 + 0.001^2)`: it counts
    gradients much longer than a thousandth as one, shorter ones as part of one.

    Examples
    --------
    >>> import torch
    >>> step = torch.zeros(1, 4, 4)
    >>> step[..., 2:] = 1
    >>> round(float(L0Gradient().energy(step)), 3)
    8.0

    References
    ----------
    L. Xu, S. Zheng, J. Jia, "Unnatural L0 sparse representation for natural image deblurring",
    CVPR 2013. J. Pan et al., "Deblurring text images via L0-regularized intensity and gradient
    prior", CVPR 2014.
    """

    name = "l0-gradient"
    summary = "The number of pixels with a gradient; for blind estimation."
    cites = "L. Xu, S. Zheng, J. Jia, Unnatural L0 Sparse Representation, CVPR 2013"

    def energy(self, x: Tensor) -> Tensor:
        """Return about the number of pixels with a gradient; see the Notes."""
        squared = gradient(x, x.ndim - 1).square().sum(0)
        return (squared / (squared + SMALLEST**2)).sum()

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`."""
        ndim = x.ndim - 1
        slopes = gradient(x, ndim)
        squared = slopes.square().sum(0)
        return gradient_adjoint(2 * slopes * SMALLEST**2 / (squared + SMALLEST**2) ** 2, ndim)

    def shrink_gradient(self, slopes: Tensor, step: float) -> Tensor:
        """Keep the gradients whose squared length is at least `2 step`."""
        return torch.where(slopes.square().sum(0) >= 2 * step, slopes, 0)


class HyperLaplacianPrior(GradientPrior):
    """The sum of `|d|^exponent` over all differences between neighbours.

    The gradients of photographs follow it with exponents between 0.5 and 0.8.

    Examples
    --------
    >>> import torch
    >>> step = torch.zeros(1, 4, 4)
    >>> step[..., 2:] = 1
    >>> round(float(HyperLaplacianPrior().energy(step)), 1)
    7.9

    References
    ----------
    D. Krishnan, R. Fergus, "Fast image deconvolution using hyper-Laplacian priors", NIPS 2009.
    """

    name = "hyper-laplacian"
    summary = "Sparse gradients as photographs have them."
    cites = "D. Krishnan, R. Fergus, Fast image deconvolution using hyper-Laplacian priors, 2009"

    class Params(stages.Params):
        """Settings of the hyper-Laplacian prior."""

        exponent: float = Field(
            2 / 3, ge=0.1, le=1, description="Exponent of the gradient; smaller is sparser."
        )

    def energy(self, x: Tensor) -> Tensor:
        """Return the sum of the differences' powers, rounded off below a thousandth."""
        p = self.params.exponent
        squared = gradient(x, x.ndim - 1).square()
        total: Tensor = ((squared + SMALLEST**2) ** (p / 2) - SMALLEST**p).sum()
        return total

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`."""
        ndim, p = x.ndim - 1, self.params.exponent
        slopes = gradient(x, ndim)
        pull = p * slopes * (slopes.square() + SMALLEST**2) ** (p / 2 - 1)
        return gradient_adjoint(pull, ndim)

    def shrink_gradient(self, slopes: Tensor, step: float) -> Tensor:
        """Shrink every difference by itself, exactly."""
        return shrink(slopes, step, self.params.exponent)


class TotalVariationPrior(GradientPrior):
    """The total length of the gradient.

    Examples
    --------
    >>> import torch
    >>> step = torch.zeros(1, 4, 4)
    >>> step[..., 2:] = 1
    >>> round(float(TotalVariationPrior().energy(step)), 1)
    8.0

    References
    ----------
    L. I. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal
    algorithms", Physica D 60, 1992.
    """

    name = "tv"
    summary = "The total length of the gradient: flat regions with sharp edges."
    cites = "L. I. Rudin, S. Osher, E. Fatemi, Physica D 60, 1992"

    def energy(self, x: Tensor) -> Tensor:
        """Return the sum of the gradient's lengths, rounded off below a thousandth."""
        squared = gradient(x, x.ndim - 1).square().sum(0)
        return ((squared + SMALLEST**2).sqrt() - SMALLEST).sum()

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`."""
        ndim = x.ndim - 1
        slopes = gradient(x, ndim)
        length = (slopes.square().sum(0) + SMALLEST**2).sqrt()
        return gradient_adjoint(slopes / length, ndim)

    def shrink_gradient(self, slopes: Tensor, step: float) -> Tensor:
        """Shorten every gradient by `step`, to 0 at the least."""
        length = slopes.square().sum(0).sqrt()
        return slopes * (1 - step / length.clamp_min(1e-12)).clamp_min(0)
