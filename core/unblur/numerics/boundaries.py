"""Pixels that were not observed (beyond the border, under a mask) or that are saturated.

A scene (C, *domain) extends beyond the image by the kernel's half-width, see
`unblur.numerics.operators.Blur`. Its pixels outside the image or under the mask are unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unblur.numerics.border_bands import BorderBands, is_direct
from unblur.numerics.fourier import apply_otf, fft, inverse_fft
from unblur.numerics.inpaint import fill
from unblur.numerics.inverse_filters import WienerFilter
from unblur.numerics.operators import Blur
from unblur.numerics.solvers import conjugate_gradient, inner

SATURATION_UPDATES = 16
"""Largest number of times that the set of saturated pixels that count as observed is updated, a
count."""
UPDATE_TOLERANCE = 0.004
"""Largest change of a pixel in an update, relative to the saturation level, after which no other
update follows, dimensionless. In photographs by day the first changes less than that."""
UPDATE_ITERATIONS = 2
"""Number of steps of conjugate gradients after each update, a count."""
ROUNDING = 1e-6
"""Distance below the saturation level within which a value counts as saturated, white = 1."""


def split_mask(
    blurred: Tensor, mask: Tensor | None, saturation_level: float | None
) -> tuple[Tensor | None, Tensor | None]:
    """Split the invalid pixels of an image into unobserved ones and saturated ones.

    Parameters
    ----------
    blurred : (C, H, W)
        Image, white = 1.
    mask : (H, W), optional
        1 = valid pixel, 0 = a pixel that is invalid in at least one channel.
    saturation_level : float, optional
        Value at which the sensor saturated, white = 1.

    Returns
    -------
    (H, W) or `None`
        0 where a pixel is invalid without being saturated; `None` if there is no such pixel.
    (C, H, W) or `None`
        1 where a channel of an invalid pixel is saturated: the scene's blur was as bright there
        or brighter. `None` without a saturation level.
    """
    if saturation_level is None:
        return mask, None
    if mask is None:
        return None, torch.zeros_like(blurred)
    saturated = (blurred >= saturation_level - ROUNDING) & (mask == 0)
    lost = (mask == 0) & ~saturated.any(0)
    return 1 - lost.to(blurred.dtype) if bool(lost.any()) else None, saturated.to(blurred.dtype)


def pad_periodic(x: Tensor, margins: Sequence[int]) -> Tensor:
    """Return (..., H, W) continued periodically; margins may exceed its extents.

    Parameters
    ----------
    x : (N, C, H, W)
        Images, whose last row is followed by their first.
    margins : sequence of int
        Columns before and after, rows before and after, as for `torch.nn.functional.pad`, which
        refuses margins that exceed an extent.

    Example
    -------
    >>> pad_periodic(torch.tensor([[[[1.0, 2.0]]]]), (3, 1, 0, 0)).tolist()
    [[[[2.0, 1.0, 2.0, 1.0, 2.0, 1.0]]]]
    """
    left, right, top, bottom = margins
    height, width = x.shape[-2:]
    if max(left, right) <= width and max(top, bottom) <= height:
        return torch.nn.functional.pad(x, tuple(margins), mode="circular")
    rows = torch.arange(-top, height + bottom, device=x.device) % height
    columns = torch.arange(-left, width + right, device=x.device) % width
    return x[..., rows[:, None], columns]


def fill_and_extend(blur: Blur, blurred: Tensor) -> Tensor:
    """Fill invalid pixels of an image and continue it over the whole scene, (C, *domain).

    Invalid pixels are filled by their kernel-weighted mean, see `unblur.numerics.inpaint.fill`;
    beyond the border the image is extended smoothly. Values under the mask do not matter.
    """
    return blur.extend(fill(blurred, blur.mask, "kernel-weighted", blur=blur))


def unobserved_mask(blur: Blur, blurred: Tensor) -> Tensor:
    """Return 1 where the scene's blur was not observed or is invalid, else 0: (C, *domain)."""
    known = torch.ones_like(blurred) if blur.mask is None else blur.mask.expand_as(blurred)
    return 1 - blur.place(known)


def lower_bound_projection(
    blur: Blur, blurred: Tensor, saturated: Tensor | None
) -> Callable[[Tensor], Tensor]:
    """Return the projection of a blurred scene (C, *domain) onto the bounds of saturated pixels.

    It raises the values at saturated pixels to the image's, at least. `saturated` (C, *spatial)
    is 1 where a pixel is saturated; without it the projection is the identity.
    """
    if saturated is None:
        return lambda u: u
    bounded = blur.place(saturated) > 0
    bound = blur.place(blurred)
    return lambda u: torch.where(bounded, torch.maximum(u, bound), u)


def saturation_mask(blur: Blur, blurred: Tensor, predicted: Tensor, saturated: Tensor) -> Tensor:
    """Return the mask of `blur` without the saturated pixels that an estimate exceeds.

    A saturated pixel is a lower bound: it counts as observed while the blurred estimate
    `predicted` is darker, and as unknown where it is as bright or brighter.

    Parameters
    ----------
    blur : Blur
        Its mask, if any, is part of the result.
    blurred, predicted : (..., C, *spatial)
        The image, and the blurred estimate on its window.
    saturated : (..., C, *spatial)
        1 = saturated pixel.
    """
    observed = 1 - saturated * (predicted >= blurred)
    return observed if blur.mask is None else observed * blur.mask


def solve_unobserved(
    blur: Blur,
    blurred: Tensor,
    wiener: WienerFilter,
    *,
    iterations: int = 20,
    is_lean: bool = False,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Return the blurred scene (C, *domain) of minimum cost that agrees with the image.

    If the blurred scene `u` were known everywhere, the scene of least squared residual and
    gradient would be one Fourier filter of it, `wiener.restore`, with the objective
    `<u, wiener.cost u>`. The unknown pixels for which that is smallest solve the problem with a
    masked residual exactly. Beyond the border of a plane without a mask they are found directly
    (see `unblur.numerics.border_bands`), else by conjugate gradients over the unknown pixels alone.

    Parameters
    ----------
    blur : Blur
        Operator with the mask of valid pixels.
    blurred : (C, *spatial)
        Image; values under the mask do not matter.
    wiener : WienerFilter
        Filter on the grid of the scene.
    iterations : int
        Steps of conjugate gradients; largest number of sweeps over the border.
    is_lean : bool
        As in `BorderBands`.
    on_step : callable, optional
        Called with the number of the step, or of the channel where the border is found directly,
        and the scene, for progress and cancellation.
    """
    is_whole = blur.mask is None or bool(blur.mask.all())
    if is_whole and is_direct(blur.domain, blur.shape):
        return _solve_border(blur, blurred, wiener, iterations, is_lean, on_step)
    unknown = unobserved_mask(blur, blurred)
    start = fill_and_extend(blur, blurred)

    def cost(u: Tensor) -> Tensor:
        return unknown * apply_otf(u, wiener.cost, blur.ndim)

    def precondition(u: Tensor) -> Tensor:
        return unknown * apply_otf(u, wiener.cost_inverse, blur.ndim)

    return start + conjugate_gradient(
        cost,
        -cost(start),
        torch.zeros_like(start),
        iterations=iterations,
        ndim=blur.ndim,
        precondition=precondition,
        on_step=on_step,
    )


def _solve_border(
    blur: Blur,
    blurred: Tensor,
    wiener: WienerFilter,
    sweeps: int,
    is_lean: bool,
    on_step: Callable[[int, Tensor], None] | None,
) -> Tensor:
    """Return the blurred scene (C, *domain) with the pixels beyond the border solved for."""
    scene = blur.extend(blurred)
    costs = wiener.cost.reshape(-1, *wiener.cost.shape[-2:])
    bands: BorderBands | None = None
    for number, plane in enumerate(scene):
        if bands is None or len(costs) > 1:
            extents = blur.domain, blur.shape, blur.before, blur.cut_axes
            bands = BorderBands(costs[number], *extents, is_lean)
        spectrum = fft(plane, blur.ndim)
        bands.complete(spectrum, sweeps)
        scene[number] = inverse_fft(spectrum, blur.domain)
        if on_step is not None:
            on_step(number, scene)
    return scene


def solve_unobserved_saturated(
    blur: Blur,
    blurred: Tensor,
    wiener: WienerFilter,
    saturated: Tensor | None,
    on_step: Callable[[int, Tensor], None] | None = None,
    is_lean: bool = False,
) -> Tensor:
    """Solve as `solve_unobserved` does, with saturated pixels as lower bounds.

    `saturated` (C, *spatial) is 1 where a pixel is saturated. Such a pixel counts as observed at
    first, then as `saturation_mask` has it, which is updated until the scene changes little. The
    steps of conjugate gradients go on across the updates, with the weights of directions by Polak
    and Ribiere; a pixel that counts as observed again has its recorded value.
    """
    scene = solve_unobserved(blur, blurred, wiener, is_lean=is_lean, on_step=on_step)
    if saturated is None or not bool(saturated.any()):
        return scene
    tiny, ndim = torch.finfo(scene.dtype).tiny, blur.ndim
    recorded = blur.place(blurred)
    gradient = apply_otf(scene, wiener.cost, ndim)
    residual, power = torch.zeros_like(scene), scene.new_ones(())
    direction = residual
    tolerance = UPDATE_TOLERANCE * recorded.abs().amax()
    for update in range(SATURATION_UPDATES):
        previous = scene
        predicted = blur.crop(scene) - blur.crop(gradient)  # as restore * otf = 1 - cost
        observing = blur.with_mask(saturation_mask(blur, blurred, predicted, saturated))
        unknown = unobserved_mask(observing, blurred)
        del predicted, observing
        completed = torch.where(unknown > 0, scene, recorded)
        if not torch.equal(completed, scene):
            scene, gradient = completed, apply_otf(completed, wiener.cost, ndim)
        del completed
        direction = unknown * direction
        for step in range(UPDATE_ITERATIONS):
            before, residual = residual, (unknown * gradient).neg_()
            change = inner(residual, before.neg_().add_(residual), ndim)
            del before
            direction.mul_((change / power).clamp_min(0)).add_(residual)
            power = inner(residual, residual, ndim).clamp_min(tiny)
            image = apply_otf(direction, wiener.cost, ndim)
            length = inner(direction, residual, ndim) / inner(direction, image, ndim).clamp_min(
                tiny
            )
            scene = scene.addcmul(length, direction)
            gradient.addcmul_(length, image)
            del image
            if on_step is not None:
                on_step(update * UPDATE_ITERATIONS + step, scene)
        if bool((scene - previous).abs().amax() <= tolerance):
            break
    return scene
