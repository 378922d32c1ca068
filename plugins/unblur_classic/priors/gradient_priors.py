"""Priors on gradients: their number, their length, and powers of it."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.numerics.fourier import fft, inverse_fft
from unblur.numerics.half_quadratic import keep_long
from unblur.numerics.operators import gradient, gradient_adjoint, laplacian_otf
from unblur.numerics.proximal import shrink
from unblur.numerics.solvers import admm

SMOOTHING = 1e-3
"""Length of a gradient below which energies are smoothed, white = 1."""
PENALTY, ADMM_ITERATIONS = 2.0, 50
"""Penalty of the constraint relative to the squared distance, and number of iterations of ADMM in
`proximal`, dimensionless."""


class GradientPrior(stages.Prior):
    """A prior that is a sum over the pixels of a function of the gradient there.

    `shrink_gradient` is the proximal map of that function; half-quadratic splitting uses it
    directly. `proximal`, on the image, is ADMM, which converges to the minimum if the function is
    convex, and usually to a good local minimum if not. The image is periodic.
    """

    @abstractmethod
    def shrink_gradient(self, gradients: Tensor, step: float) -> Tensor:
        """Return `argmin_g step * energy(g) + |g - gradients|^2 / 2`.

        Parameters
        ----------
        gradients : (ndim, ..., *spatial)
            A gradient as `unblur.numerics.operators.gradient` returns it.
        step : float
            Positive.
        """

    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Return `argmin_u step * energy(u) + |u - x|^2 / 2` by ADMM, `x` if that is no lower."""
        ndim = x.ndim - 1
        shape = x.shape[-ndim:]
        data, total = fft(x, ndim), 1 + PENALTY * laplacian_otf(shape, x)

        def solve(gradients: Tensor) -> Tensor:
            numerator = data + PENALTY * fft(gradient_adjoint(gradients, ndim), ndim)
            return inverse_fft(numerator / total, shape)

        u = admm(
            solve,
            lambda v: gradient(v, ndim),
            lambda gradients: self.shrink_gradient(gradients, step / PENALTY),
            x,
            iterations=ADMM_ITERATIONS,
        )
        better = step * self.energy(u) + (u - x).square().sum() / 2 < step * self.energy(x)
        return u if bool(better) else x


class L0Gradient(GradientPrior):
    """The number of pixels with a non-zero gradient: small for piecewise constant images.

    With it, blind MAP estimation prefers the sharp image. Images restored with it are piecewise
    constant, suitable for the estimation of a kernel, not as results.

    Notes
    -----
    The number has no derivative, so that the energy is `sum |g|^2 / (|g|^2 + 0.001^2)`: gradients
    much longer than 0.001 count as 1, shorter ones as less.

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
        """Return the smoothed number of pixels with a gradient; see the Notes."""
        squared = gradient(x, x.ndim - 1).square().sum(0)
        return (squared / (squared + SMOOTHING**2)).sum()

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`."""
        ndim = x.ndim - 1
        gradients = gradient(x, ndim)
        squared = gradients.square().sum(0)
        return gradient_adjoint(2 * gradients * SMOOTHING**2 / (squared + SMOOTHING**2) ** 2, ndim)

    def shrink_gradient(self, gradients: Tensor, step: float) -> Tensor:
        """Keep the gradients whose squared length is at least `2 step`."""
        return keep_long(gradients, 2 * step)


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
    summary = "Sparse gradients, as of photographs."
    cites = "D. Krishnan, R. Fergus, Fast image deconvolution using hyper-Laplacian priors, 2009"

    class Params(stages.Params):
        """Settings of the hyper-Laplacian prior."""

        exponent: float = Field(
            2 / 3, ge=0.1, le=1, description="Exponent of the gradient; smaller is sparser."
        )

    def energy(self, x: Tensor) -> Tensor:
        """Return the sum of the differences' powers, smoothed below 0.001."""
        p = self.params.exponent
        squared = gradient(x, x.ndim - 1).square()
        total: Tensor = ((squared + SMOOTHING**2) ** (p / 2) - SMOOTHING**p).sum()
        return total

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`."""
        ndim, p = x.ndim - 1, self.params.exponent
        gradients = gradient(x, ndim)
        flux = p * gradients * (gradients.square() + SMOOTHING**2) ** (p / 2 - 1)
        return gradient_adjoint(flux, ndim)

    def shrink_gradient(self, gradients: Tensor, step: float) -> Tensor:
        """Shrink every difference separately, exactly."""
        return shrink(gradients, step, self.params.exponent)


class TotalVariationPrior(GradientPrior):
    """The total variation: the sum of the gradient's length over the pixels.

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
        """Return the sum of the gradient's lengths, smoothed below 0.001."""
        squared = gradient(x, x.ndim - 1).square().sum(0)
        return ((squared + SMOOTHING**2).sqrt() - SMOOTHING).sum()

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`."""
        ndim = x.ndim - 1
        gradients = gradient(x, ndim)
        length = (gradients.square().sum(0) + SMOOTHING**2).sqrt()
        return gradient_adjoint(gradients / length, ndim)

    def shrink_gradient(self, gradients: Tensor, step: float) -> Tensor:
        """Shorten every gradient by `step`, at most to 0."""
        length = gradients.square().sum(0).sqrt()
        return gradients * (1 - step / length.clamp_min(1e-12)).clamp_min(0)
