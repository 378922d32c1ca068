"""What lies where nothing was observed: beyond the border and under the mask."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unblur.numerics.fourier import apply_otf
from unblur.numerics.inpaint import fill
from unblur.numerics.inverse_filters import WienerFilter
from unblur.numerics.operators import Blur
from unblur.numerics.solvers import conjugate_gradient

RESTARTS = 4
"""How often it is asked anew which clipped pixels may be taken as recorded."""


def fill_and_extend(blur: Blur, blurred: Tensor) -> Tensor:
    """Fill invalid pixels of an image and continue it over the whole scene, (C, *domain).

    Invalid pixels are filled by their kernel-weighted mean, see `unblur.numerics.inpaint.fill`;
    beyond the border the image is extended smoothly. Values under the mask do not matter.
    """
    return blur.extend(fill(blurred, blur.mask, "kernel-weighted", blur=blur))


def unobserved_mask(blur: Blur, blurred: Tensor) -> Tensor:
    """Return 1 where the scene's blur was not observed or is invalid, 0 elsewhere."""
    known = torch.ones_like(blurred) if blur.mask is None else blur.mask.expand_as(blurred)
    return 1 - blur.place(known)


def lower_bound_projection(
    blur: Blur, blurred: Tensor, clipped: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """Return what raises a blurred scene (C, *domain) to the image where that was clipped.

    `clipped` (C, *spatial) is 1 where the scene's blur was as bright as the image or brighter.
    """
    if clipped is None:
        return lambda u: u
    where = blur.place(clipped) > 0
    bound = blur.place(blurred)
    return lambda u: torch.where(where, torch.maximum(u, bound), u)


def saturation_mask(blur: Blur, blurred: Tensor, predicted: Tensor, clipped: Tensor) -> Tensor:
    """Return the mask of `blur` without the saturated pixels that an estimate exceeds.

    A saturated pixel is a lower bound: it counts as observed while the blurred estimate
    `predicted` is darker, and as unknown where it is as bright or brighter.

    Parameters
    ----------
    blur : Blur
        Its mask, if any, is part of the result.
    blurred, predicted : (..., C, *spatial)
        The image, and the blurred estimate on its window.
    clipped : (..., C, *spatial)
        1 = saturated pixel.
    """
    observed = 1 - clipped * (predicted >= blurred)
    return observed if blur.mask is None else observed * blur.mask


def solve_unobserved(
    blur: Blur,
    blurred: Tensor,
    wiener: WienerFilter,
    *,
    iterations: int = 20,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Return the blurred scene (C, *domain) of minimum cost that agrees with the image.

    Were the blurred scene `u` known everywhere, the scene of least squared residual and
    gradient would be one Fourier filter of it, `wiener.restore`, and the least objective
    `<u, wiener.cost u>`. Conjugate gradients over the unknown pixels alone make that smallest,
    which solves the problem with a masked residual exactly.
    """
    unknown = unobserved_mask(blur, blurred)
    seen = fill_and_extend(blur, blurred)

    def cost(u: Tensor) -> Tensor:
        return unknown * apply_otf(u, wiener.cost, blur.ndim)

    def precondition(u: Tensor) -> Tensor:
        return unknown * apply_otf(u, wiener.cost_inverse, blur.ndim)

    return seen + conjugate_gradient(
        cost,
        -cost(seen),
        torch.zeros_like(seen),
        iterations=iterations,
        ndim=blur.ndim,
        precondition=precondition,
        on_step=on_step,
    )


def solve_unobserved_saturated(
    blur: Blur,
    blurred: Tensor,
    wiener: WienerFilter,
    clipped: Tensor | None,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Solve as `solve_unobserved` does, with saturated pixels as lower bounds.

    `clipped` (C, *spatial) is 1 where the scene's blur was as bright as the image or brighter.
    Such a pixel is taken as observed at first, and as unknown where the blurred solution
    exceeds it.
    """
    seen = solve_unobserved(blur, blurred, wiener, on_step=on_step)
    if clipped is None:
        return seen
    ahead = wiener.restore * blur.otf
    for _ in range(RESTARTS):
        predicted = blur.crop(apply_otf(seen, ahead, blur.ndim))
        observing = blur.with_mask(saturation_mask(blur, blurred, predicted, clipped))
        seen = solve_unobserved(observing, blurred, wiener, on_step=on_step)
    return seen
