"""Wiener filter with unknown boundaries and masked pixels solved for."""

from __future__ import annotations

from math import hypot

from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import solve_unobserved
from unblur.numerics.fourier import apply_otf
from unblur.numerics.inverse_filters import WienerFilter, response_radius
from unblur.numerics.operators import Blur
from unblur_classic.nonblind.regularization import (
    HALO_DESIGN_NOISE,
    Auto,
    RegularizedParams,
    quadratic_weight,
    relative_noise,
)


class Wiener(stages.Deconvolver):
    """Least squares with a Gaussian prior on the gradient: the Wiener filter.

    The image is the minimiser over the scene `x` of::

        |M (k * x) - y|^2 + weight |grad x|^2

    where `M` keeps the valid pixels inside the border. It assumes Gaussian noise and a scene
    with stationary Gaussian gradients: fast and linear, but edges ring, and noise remains in flat
    areas where `hyper-laplacian` or `tv` would remove it.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Wiener.Params`.

    Notes
    -----
    If the blurred scene `u` were observed everywhere, the minimiser would be one Fourier filter.
    The unobserved pixels of `u`, beyond the border and under the mask, are those for which the
    minimum is smallest, which is the exact solution of the problem above. With
    `F = weight |D|^2 / (|K|^2 + weight |D|^2)` the minimum is `<u, F u>`, so that it is found by
    conjugate gradients over the unobserved pixels alone, with two filterings per iteration.

    The weight is `(noise^2 + model_error^2) / gradient^2`, all relative to the image's contrast;
    sharp photographs have a gradient of about 0.55 of their contrast.

    The halo is the radius beyond which the filter's impulse response is negligible, for a noise
    of 1/40 of the contrast. For a kernel whose spectrum has zeros (defocus, straight motion) it is
    many times the kernel's size; with less noise the filter extends further still.

    Examples
    --------
    >>> import torch
    >>> from unblur.model.context import Context
    >>> from unblur.model.kernel import Kernel
    >>> blurred = torch.zeros(1, 16, 16)
    >>> blurred[:, 7:10, 7:10] = 1 / 9
    >>> sharp = Wiener(noise=0.001).deconvolve(blurred, Kernel(torch.ones(3, 3)), Context())
    >>> bool(sharp.max() > 2 * blurred.max()), tuple(sharp.shape)
    (True, (1, 16, 16))

    References
    ----------
    N. Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", MIT
    Press, 1949. For unknown boundaries: S. J. Reeves, "Fast image restoration without boundary
    artifacts", IEEE TIP 14(10), 2005.
    """

    name = "wiener"
    summary = "Wiener filter: fast, linear, no ringing at borders."
    cites = "N. Wiener, Extrapolation, Interpolation, and Smoothing of Stationary Time Series, 1949"
    dimensions = frozenset({2, 3})

    class Params(RegularizedParams):
        """Settings of the Wiener filter."""

        weight: Auto = Field(
            "auto",
            description="Weight of the squared gradient against the squared residual; auto derives "
            "it from the noise and the image's contrast.",
        )
        iterations: int = Field(
            20,
            ge=0,
            le=1000,
            description="Conjugate-gradient iterations for the pixels beyond the border and under "
            "the mask; 0 extends the image smoothly and filters once.",
        )

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        context.checkpoint()
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], mask)
        weight = self.params.weight
        if weight == "auto":
            noise = relative_noise(
                blurred, self.params.noise, context, mask, self.params.model_error
            )
            weight = quadratic_weight(noise)
        wiener = WienerFilter.of(blur.otf, blur.domain, weight)
        completed = solve_unobserved(
            blur,
            blurred,
            wiener,
            iterations=self.params.iterations,
            on_step=context.ticker(self.name, self.params.iterations),
        )
        return blur.crop(apply_otf(completed, wiener.restore, blur.ndim))

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the radius of the filter's impulse response; see the Notes."""
        weight = self.params.weight
        if weight == "auto":
            weight = quadratic_weight(hypot(HALO_DESIGN_NOISE, self.params.model_error))
        return response_radius(kernel, weight)
