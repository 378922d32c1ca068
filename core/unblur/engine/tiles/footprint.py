"""How much memory a tile needs, from runs of each stage on two small tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch

from unblur.engine.steps.block import Recipe, halo_of
from unblur.engine.steps.sequence import run_steps
from unblur.engine.tiles.memory import LiveMemory
from unblur.model.stages import KernelEstimator, Stage
from unblur.numerics.fourier import fast_length

MARGIN = 1.25
"""Factor for what the count does not see: workspace of the FFT, fragmentation."""

SMALL = 96
"""Edge of the smaller tile in pixels; the larger one has twice as many pixels along each axis."""

STACK = 32
"""Depth beyond which a volume is measured on part of its depth."""


@dataclass(frozen=True)
class StageFootprint:
    """What one step takes.

    Attributes
    ----------
    name : str
        The step.
    halo : tuple of int
        Pixels that it sees around a tile.
    fixed : float
        Bytes whatever the tile, e.g. a network's weights.
    per_pixel : float
        Bytes per pixel that it sees, all channels together.
    """

    name: str
    halo: tuple[int, ...]
    fixed: float
    per_pixel: float


@dataclass(frozen=True)
class Footprint:
    """What all steps of a recipe take.

    Attributes
    ----------
    stages : tuple of StageFootprint
        One for each step that runs on tiles.
    kernel : tuple of int
        Extent of the kernel, by which the grid of a scene is larger than the tile.
    host : float
        Bytes per pixel that reading, scaling and writing take on the machine itself.
    channels : int
        Channels that are deblurred.
    """

    stages: tuple[StageFootprint, ...]
    kernel: tuple[int, ...]
    host: float
    channels: int

    def predict(self, seen: Sequence[int], on_gpu: bool = False) -> int:
        """Return the peak memory in bytes of one tile that sees `seen` pixels along each axis."""
        pixels = _grid(seen, self.kernel)
        steps = [stage.fixed + stage.per_pixel * pixels for stage in self.stages]
        # The tile itself stays beside what a step works on.
        device = max(steps, default=0.0) + 4 * self.channels * prod(seen)
        host = 0.0 if on_gpu else self.host * prod(seen)
        return int(MARGIN * (device + host))


def measure(recipe: Recipe, shape: Sequence[int], channels: int, itemsize: int) -> Footprint:
    """Run each step on two small tiles and fit memory against pixels.

    Parameters
    ----------
    recipe : Recipe
        With its kernels.
    shape : sequence of int
        Extent of a block of the image along its spatial axes.
    channels : int
        Channels of the image.
    itemsize : int
        Bytes of one of its values.
    """
    kernel = (1,) * len(shape)
    if recipe.field is not None:
        kernel = recipe.field.kernels[0][0].shape
    found = []
    for number, stage in enumerate(recipe.stages):
        halo = halo_of(stage, recipe.field, len(shape))
        if halo is None:
            continue
        fixed, per_pixel = _fit(stage, recipe, shape, channels, kernel)
        found.append(StageFootprint(f"{number + 1}. {stage.name}", halo, fixed, per_pixel))
    # Values as they are, in float64 and float32, on the way in and on the way out.
    host = channels * (2 * itemsize + 8 + 8 + 4)
    return Footprint(tuple(found), tuple(kernel), host, channels)


def _fit(
    stage: Stage, recipe: Recipe, shape: Sequence[int], channels: int, kernel: Sequence[int]
) -> tuple[float, float]:
    """Return the bytes that a step takes in any case and per pixel of its grid."""
    assert not isinstance(stage, KernelEstimator)
    edges = [max(SMALL, 2 * max(kernel)), max(2 * SMALL, 4 * max(kernel))]
    points = []
    for edge in edges:
        extent = tuple(min(n, edge) for n in shape[-2:])
        depth = tuple(min(n, max(STACK, kernel[0])) for n in shape[:-2])
        tile = (*depth, *extent)
        points.append((_grid(tile, kernel), _peak(stage, recipe, (channels, *tile))))
    (small, low), (large, high) = points
    if large <= small:
        return 0.0, high / large
    per_pixel = max(high - low, 0) / (large - small)
    return max(low - per_pixel * small, 0.0), max(per_pixel, 0.0)


def _peak(stage: Stage, recipe: Recipe, shape: tuple[int, ...]) -> int:
    """Return the peak bytes of one step on a tile of faint noise, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    blurred = 0.5 + 0.1 * torch.rand(shape, generator=generator)
    kernel = None if recipe.field is None else recipe.field.mean
    context = recipe.portable().context.with_(device="cpu", noise=0.01, contrast=0.03)
    with LiveMemory() as live:
        run_steps(blurred, (stage,), kernel, context)
    peak: int = live.peak
    return peak


def _grid(seen: Sequence[int], kernel: Sequence[int]) -> int:
    """Return the pixels of the grid on which the scene of a tile is kept."""
    return int(prod(fast_length(n + k - 1) for n, k in zip(seen, kernel, strict=True)))
