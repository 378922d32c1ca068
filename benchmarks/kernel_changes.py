"""Random changes of a kernel, as examples of kernels that are wrong."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from unblur.numerics.pyramid import odd, rescale_kernel


def change_kernel(kernel: Tensor, choice: random.Random) -> Tensor:
    """Return a kernel (n, n) of sum 1 with one change, drawn at random, of another extent perhaps.

    A part is shifted, it is blurred, its small samples are cut, it is mirrored or rescaled, a copy
    is added, its samples vary, or a narrow Gaussian takes its place.
    """
    change = choice.choice(CHANGES)
    return normalized(change(kernel, choice))


def normalized(kernel: Tensor) -> Tensor:
    """Return a kernel with sum 1."""
    return kernel / kernel.sum()


def _shift_part(kernel: Tensor, choice: random.Random) -> Tensor:
    """Shift the part at one side of a line through the centre."""
    angle, by = choice.uniform(0, 2 * math.pi), choice.choice((1, 2, 3, 4, 6))
    shift = choice.choice(((0, by), (by, 0), (by, by), (by, -by)))
    places = torch.arange(kernel.shape[-1]).float() - kernel.shape[-1] // 2
    side = math.cos(angle) * places[:, None] + math.sin(angle) * places > 0
    wide, part = (functional.pad(x, [by] * 4) for x in (kernel, side.float()))
    return wide * (1 - part) + torch.roll(wide * part, shift, (0, 1))


def _widen(kernel: Tensor, choice: random.Random) -> Tensor:
    return _blurred(kernel, choice.choice((0.7, 1.0, 1.5, 2.5)))


def _cut(kernel: Tensor, choice: random.Random) -> Tensor:
    return torch.where(kernel < choice.uniform(0.1, 0.6) * kernel.max(), 0, kernel)


def _mirror(kernel: Tensor, choice: random.Random) -> Tensor:
    axes: tuple[int, ...] = choice.choice(((0,), (1,), (0, 1)))
    return kernel.flip(axes)


def _rescale(kernel: Tensor, choice: random.Random) -> Tensor:
    factor = choice.choice((0.5, 0.7, 0.85, 1.15, 1.4))
    size = odd(max(int(kernel.shape[-1] * factor) + 2, 3))
    if factor < 1:
        return rescale_kernel(kernel, size, factor).clamp_min(0)
    return functional.interpolate(kernel[None, None], (size, size), mode="bilinear")[0, 0]


def _add_copy(kernel: Tensor, choice: random.Random) -> Tensor:
    by = choice.randrange(2, max(3, kernel.shape[-1] // 2))
    shift = choice.choice(((0, by), (by, 0), (by, by), (by, -by)))
    wide = functional.pad(kernel, [by] * 4)
    return wide + choice.uniform(0.1, 0.6) * torch.roll(wide, shift, (0, 1))


def _vary(kernel: Tensor, choice: random.Random) -> Tensor:
    generator = torch.Generator().manual_seed(choice.randrange(1 << 30))
    factors = 1 + choice.uniform(0.3, 1.5) * torch.randn(kernel.shape, generator=generator)
    return (kernel * factors).clamp_min(0) + 1e-9


def _replace_by_gaussian(kernel: Tensor, choice: random.Random) -> Tensor:
    size = odd(kernel.shape[-1])
    point = torch.zeros(size, size)
    point[size // 2, size // 2] = 1
    return _blurred(point, choice.choice((0.6, 0.9, 1.3, 2.0, 3.5)))


def _blurred(kernel: Tensor, deviation: float) -> Tensor:
    """Return a kernel convolved with a Gaussian, whose array is larger by that."""
    radius = max(int(3 * deviation), 1)
    weights = torch.exp(-torch.arange(-radius, radius + 1.0).square() / (2 * deviation**2))
    square = weights[:, None] * weights
    return functional.conv2d(kernel[None, None], square[None, None], padding=2 * radius)[0, 0]


CHANGES: tuple[Callable[[Tensor, random.Random], Tensor], ...] = (
    _shift_part,
    _widen,
    _cut,
    _mirror,
    _rescale,
    _add_copy,
    _vary,
    _replace_by_gaussian,
)
