"""Laws of priors: energy, gradient and proximal map are consistent."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from unblur.model.stages import Prior
from unblur.testing.law import Case, Law

EXTENT = 32
"""Edge length of the image on which priors are checked, in pixels."""


def energy_is_a_number(case: Case) -> None:
    """The energy is one finite number, for one channel or three."""
    prior = cast(Prior, case.stage())
    for channels in (1, 3):
        energy = prior.energy(_image(channels, torch.float32))
        if energy.shape != () or not bool(torch.isfinite(energy)):
            case.broken(f"has an energy that is not a finite scalar: {energy}.")


def gradient_is_the_slope_of_the_energy(case: Case) -> None:
    """The gradient agrees with central differences of the energy along random directions."""
    prior = cast(Prior, case.stage())
    kind, step, rtol = _precision(prior)
    x = _image(1, kind)
    gradient = prior.gradient(x)
    if gradient.shape != x.shape:
        case.broken(f"has a gradient of shape {tuple(gradient.shape)} at {tuple(x.shape)}.")
    for seed in range(4):
        draw = torch.Generator().manual_seed(seed)
        direction = torch.randn(x.shape, generator=draw, dtype=kind)
        direction = direction / direction.norm()
        difference = float(
            prior.energy(x + step * direction) - prior.energy(x - step * direction)
        ) / (2 * step)
        stated = float((gradient * direction).sum())
        if abs(difference - stated) > rtol * max(
            abs(difference), abs(stated), float(gradient.norm())
        ):
            case.broken(
                f"has a gradient that is not the energy's: along a random direction the "
                f"derivative of the energy is {difference:.5g}, from the gradient {stated:.5g}."
            )


def proximal_lowers_its_objective(case: Case) -> None:
    """`step * energy(u) + |u - x|^2 / 2` is no larger at the proximal point than at `x`."""
    prior = cast(Prior, case.stage())
    x = _image(1, torch.float32)
    for step in (1e-4, 1e-2, 1.0):
        u = prior.proximal(x, step)
        if u.shape != x.shape or not bool(torch.isfinite(u).all()):
            case.broken(f"has a proximal point of shape {tuple(u.shape)}, or not finite.")
        before = step * float(prior.energy(x))
        after = step * float(prior.energy(u)) + 0.5 * float((u - x).square().sum())
        if after > before + 1e-4 * abs(before) + 1e-6:
            case.broken(
                f"has a proximal map that raises its objective at step {step:g}: "
                f"{before:.6g} before, {after:.6g} after."
            )


def blur_score_ignores_contrast(case: Case) -> None:
    """The blur score of a prior that defines one does not depend on contrast and brightness."""
    prior = cast(Prior, case.stage())
    x = _image(1, torch.float32)
    scores = [prior.blur_score(image) for image in (x, 0.5 * x, x + 0.2)]
    defined = [score for score in scores if score is not None]
    if defined and max(defined) - min(defined) > 1e-2 * max(map(abs, defined)):
        case.broken(
            "has a blur score that depends on contrast or brightness: for one image unchanged, at "
            f"half its values, and with 0.2 added, {defined}."
        )


def _image(channels: int, kind: torch.dtype) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    x = 0.5 + 0.1 * torch.randn(channels, EXTENT, EXTENT, generator=draw, dtype=torch.float64)
    x[..., EXTENT // 3 :] += 0.3
    return x.to(kind)


def _precision(prior: Prior) -> tuple[torch.dtype, float, float]:
    """Return dtype, step and relative tolerance of the differences, float64 if supported."""
    try:
        prior.gradient(_image(1, torch.float64))
    except RuntimeError:  # a network with float32 weights
        return torch.float32, 1e-2, 5e-2
    return torch.float64, 1e-6, 1e-3


PRIORS: tuple[Law, ...] = (
    Law(energy_is_a_number, ("prior",)),
    Law(gradient_is_the_slope_of_the_energy, ("prior",)),
    Law(proximal_lowers_its_objective, ("prior",)),
    Law(blur_score_ignores_contrast, ("prior",)),
)
