"""Wiener filter with unknown boundaries and masked pixels solved for."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import hypot, prod

import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.memory import is_counted
from unblur.accel.parallel import one_thread_if_small
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.border_bands import is_direct
from unblur.numerics.bordered_wiener import BorderedWiener, wiener_grid
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

MAX_KEPT, MAX_KEPT_PIXELS = 8, 2**23
"""Number of filters that are kept for the next plane or tile, dimensionless, and the largest extent
of their grids together, in pixels."""

MIN_CUT_WEIGHT = 0.5
"""Smallest weight at which a tile is extended smoothly, in units of that for which the halo is
made, dimensionless. The default model error leaves 0.59 without noise."""


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
    `F = weight |D|^2 / (|K|^2 + weight |D|^2)` the minimum is `<u, F u>`. Beyond the border of a
    plane it is found directly, a Toeplitz system for each frequency along the border (see
    `unblur.numerics.border_bands`). With a mask, in 3-D, and for kernels nearly as large as the
    image it is found by conjugate gradients over the unobserved pixels alone, with two filterings
    per iteration. A tile is extended smoothly along the axes on which the image goes on beyond it
    (`Context.cut_axes`): what that changes lies within the halo.

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
            "the mask, where they are not solved for directly; 0 extends the image smoothly and "
            "filters once.",
        )

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        with one_thread_if_small(blurred[0].numel()):
            return self._deconvolve(blurred, kernel, context, mask)

    def _deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None
    ) -> Tensor:
        context.checkpoint()
        weight = self.params.weight
        if weight == "auto":
            noise = relative_noise(
                blurred, self.params.noise, context, mask, self.params.model_error
            )
            weight = quadratic_weight(noise)
        weights = torch.as_tensor(weight).flatten().expand(len(blurred)).tolist()
        cut_axes = context.cut_axes if min(weights) >= MIN_CUT_WEIGHT * self._halo_weight() else ()
        if (mask is None or bool(mask.all())) and _is_direct(kernel, blurred.shape[1:], cut_axes):
            return self._solve_bands(blurred, kernel, weights, context.with_(cut_axes=cut_axes))
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], mask)
        wiener = WienerFilter.of(blur.otf, blur.domain, weight)
        completed = solve_unobserved(
            blur,
            blurred,
            wiener,
            iterations=self.params.iterations,
            on_step=context.ticker(self.name, self.params.iterations),
        )
        return blur.crop(apply_otf(completed, wiener.restore, blur.ndim))

    def _solve_bands(
        self, blurred: Tensor, kernel: Kernel, weights: Sequence[float], context: Context
    ) -> Tensor:
        """Filter each channel, its unobserved border solved for directly."""
        tick = context.ticker(self.name, len(blurred))
        psf = kernel.tensor(device=blurred.device, dtype=blurred.dtype)
        cut_axes = context.cut_axes or (False, False)
        sharp = torch.empty_like(blurred)
        for channel, weight, result in zip(blurred, weights, sharp, strict=True):
            solver = _kept_solver(psf, channel.shape, weight, cut_axes)
            result.copy_(solver.apply(channel, self.params.iterations))
            tick(preview=sharp)
        return sharp

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the radius of the filter's impulse response; see the Notes."""
        return response_radius(kernel, self._halo_weight())

    def _halo_weight(self) -> float:
        """Return the weight for which the halo suffices."""
        weight: float | str = self.params.weight
        if not isinstance(weight, str):
            return weight
        return quadratic_weight(hypot(HALO_DESIGN_NOISE, self.params.model_error))


def _is_direct(kernel: Kernel, shape: Sequence[int], cut_axes: Sequence[bool] | None) -> bool:
    """Return whether the border, if any is to be solved for, is solved for directly."""
    if len(shape) != 2:
        return False
    return cut_axes == (True, True) or is_direct(wiener_grid(kernel.shape, shape), shape)


_kept: list[BorderedWiener] = []
_guard = threading.Lock()


def _kept_solver(
    kernel: Tensor, shape: Sequence[int], weight: float, cut_axes: Sequence[bool]
) -> BorderedWiener:
    """Return the solver of a kernel, an extent and a weight, as last made for the same ones.

    Planes of a stack and tiles of an image share it. Those of large images are not kept. While
    memory is counted a new one is made, so that the count does not depend on what is kept.
    """
    if is_counted():
        return BorderedWiener(kernel, shape, weight, cut_axes)
    with _guard:
        for solver in _kept:
            if solver.is_for(kernel, shape, weight, cut_axes):
                return solver
    solver = BorderedWiener(kernel, shape, weight, cut_axes)
    with _guard:
        _kept.insert(0, solver)
        pixels = list(accumulate(prod(kept.grid) for kept in _kept))
        del _kept[min(bisect_right(pixels, MAX_KEPT_PIXELS), MAX_KEPT) :]
    return solver
