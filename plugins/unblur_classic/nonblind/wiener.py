"""The Wiener filter, with the scene beyond the border and under the mask solved for as well."""

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
    MISMATCH,
    QUIET,
    Auto,
    Mismatch,
    Noise,
    quadratic_weight,
    relative_noise,
)


class Wiener(stages.Deconvolver):
    """Least squares with a Gaussian prior on the gradient: the Wiener filter.

    The image is the minimiser over the scene `x` of::

        |M (k * x) - y|^2 + weight |grad x|^2

    where `M` keeps the trusted pixels inside the border. It assumes Gaussian noise and a
    scene whose gradients are Gaussian and alike everywhere: fast and linear, but edges ring
    and noise stays in flat areas where `hyper-laplacian` or `tv` would remove it.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Wiener.Params`.

    Notes
    -----
    Were the blurred scene `u` known everywhere, the minimiser would be one Fourier filter.
    What is unknown of it, beyond the border and under the mask, is chosen to make that
    minimum smallest, which is the exact solution of the problem above. With
    `F = weight |D|^2 / (|K|^2 + weight |D|^2)` the minimum is `<u, F u>`, so that conjugate
    gradients over the unknown pixels alone find it, at two filterings a step.

    The weight is `(noise^2 + mismatch^2) / gradient^2`, all relative to the image's contrast;
    sharp photographs have a gradient of about 0.55 of their contrast.

    The halo is where the filter's own response to one pixel has died away, for a noise of
    1/40 of the contrast. A kernel whose spectrum has zeros (defocus, straight motion) makes it
    many times the kernel's size; with less noise the filter reaches further still.

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
    summary = "Wiener filter: fast, linear, borders without ringing."
    cites = "N. Wiener, Extrapolation, Interpolation, and Smoothing of Stationary Time Series, 1949"
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of the Wiener filter."""

        noise: Noise = "auto"
        mismatch: Mismatch = MISMATCH
        weight: Auto = Field(
            "auto",
            description="Weight of the squared gradient against the squared residual; "
            "auto follows from the noise and the image's contrast.",
        )
        iterations: int = Field(
            20,
            ge=0,
            le=1000,
            description="Conjugate-gradient steps that complete the scene beyond the border "
            "and under the mask; 0 continues it smoothly and filters once.",
        )

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        context.checkpoint()
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], mask)
        weight = self.params.weight
        if weight == "auto":
            noise = relative_noise(blurred, self.params.noise, context, mask, self.params.mismatch)
            weight = quadratic_weight(noise)
        wiener = WienerFilter.of(blur.otf, blur.domain, weight)
        seen = solve_unobserved(
            blur,
            blurred,
            wiener,
            iterations=self.params.iterations,
            on_step=context.ticker(self.name, self.params.iterations),
        )
        return blur.crop(apply_otf(seen, wiener.restore, blur.ndim))

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the reach of the filter's response; see the Notes."""
        weight = self.params.weight
        if weight == "auto":
            weight = quadratic_weight(hypot(QUIET, self.params.mismatch))
        return response_radius(kernel, weight)
