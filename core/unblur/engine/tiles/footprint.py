"""Memory that the steps of a pipeline need, measured on small tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch

from unblur.accel.memory import AllocationCounter, is_out_of_memory
from unblur.engine.intake.image_statistics import ImageStatistics
from unblur.engine.steps.block import BlockProcessor
from unblur.engine.steps.sequence import run_steps
from unblur.model.stages import Deconvolver, KernelEstimator, Postprocessor, Stage
from unblur.numerics.fourier import corner, fast_length

MARGIN = 1.25
"""Factor on the memory counted of a GPU, for the workspace of transforms and fragmentation,
dimensionless."""

HEAP_FACTOR = 1.6
"""Factor on the memory counted of the CPU for fragmentation of the heap, dimensionless.

glibc puts arrays of up to `HEAP_BYTES` on the heap, where a gap that an array left does not
always hold the next one of its size, aligned to 64 bytes. Measured are 1.0 (`richardson-lucy`,
which reuses its arrays) to 2.2 (`hyper-laplacian`)."""

HEAP_BYTES = 2**25
"""Largest array on the heap, in bytes; larger ones are mapped, and given back, one by one. Tiles
in threads keep all of their memory on the heap."""

SMALL_TILE = 128
"""Edge of the smaller tile that is measured, in pixels."""

LARGE_TILE = 768
"""Edge of the larger tile that is measured, in pixels; batches of transforms have reached their
full size on it."""

COSTLY_BYTES = 400
"""Memory per pixel from which the larger tile has only three times the edge of the smaller one,
since such steps take long, in bytes."""

MEASURED_DEPTH = 32
"""Largest depth of a volume that is measured on all of it, in pixels."""

SATURATED = 0.6
"""Saturation level of the noise below it on which steps are measured, white = 1. A corner of it is
saturated for steps that solve for such pixels."""

NORMALIZING, DENORMALIZING = 16, 32
"""Largest memory per value while values are normalised (float64 of wide types) and brought back
to their type, in bytes."""


@dataclass(frozen=True)
class StageFootprint:
    """Memory that one step needs.

    Attributes
    ----------
    name : str
        Number and name of the step.
    halo : tuple of int
        Pixels around a tile that the step reads.
    fixed : float
        Bytes independent of the tile, e.g. of a network's weights.
    per_pixel : float
        Bytes per pixel of the scene's FFT grid, all channels together.
    arrays : tuple of float
        Bytes per pixel of each of the largest arrays, in descending order; their sum is nearly
        `per_pixel`.
    """

    name: str
    halo: tuple[int, ...]
    fixed: float
    per_pixel: float
    arrays: tuple[float, ...] = ()

    def counted(self, pixels: int) -> float:
        """Return the bytes of the arrays alive at the peak on `pixels` of the FFT grid."""
        return self.fixed + self.per_pixel * pixels

    def resident(self, pixels: int, is_tile: bool) -> float:
        """Return the bytes that the process holds for them, on the CPU."""
        mapped = 0.0
        if not is_tile:
            mapped = sum(size for size in self.arrays if size * pixels > HEAP_BYTES)
        mapped = min(mapped, self.per_pixel) * pixels
        return mapped + HEAP_FACTOR * (self.counted(pixels) - mapped)


@dataclass(frozen=True)
class Footprint:
    """Memory that all steps of a processor need.

    Attributes
    ----------
    stages : tuple of StageFootprint
        One for each step that runs on tiles.
    kernel : tuple of int
        Extent of the kernel, by which the scene is larger than the tile.
    channels : int
        Channels that are deblurred.
    itemsize : int
        Size of a value of the image, in bytes.
    """

    stages: tuple[StageFootprint, ...]
    kernel: tuple[int, ...]
    channels: int
    itemsize: int

    def predict(
        self,
        padded_size: Sequence[int],
        on_gpu: bool = False,
        is_tile: bool = True,
        interior: Sequence[int] | None = None,
    ) -> int:
        """Return the peak memory in bytes of one tile of `padded_size` pixels, halo included.

        On the CPU that of reading and of the change of type is part of it, of which one follows
        after the other. `is_tile` is whether the memory is kept for further tiles. With the extent
        of its `interior` a tile is cut before each step to what the steps after it need.
        """
        values = self.channels * prod(padded_size)
        pixels = [scene_pixels(size, self.kernel) for size in self._sizes(padded_size, interior)]
        stages = list(zip(self.stages, pixels, strict=True))
        # The tile itself, and the result of the step before, stay in memory during a step.
        inputs = 4 * values * min(len(self.stages), 2)
        if on_gpu:
            steps = (stage.counted(n) for stage, n in stages)
            return int(MARGIN * (max(steps, default=0.0) + inputs))
        steps = (stage.resident(n, is_tile) for stage, n in stages)
        working = max(max(steps, default=0.0) + inputs, max(NORMALIZING, DENORMALIZING) * values)
        return int(self.itemsize * values + working)

    def _sizes(
        self, padded_size: Sequence[int], interior: Sequence[int] | None
    ) -> list[tuple[int, ...]]:
        """Return the extent that each step is given of a tile."""
        if interior is None:
            return [tuple(padded_size)] * len(self.stages)
        found, halo = [], [0] * len(padded_size)
        for stage in reversed(self.stages):
            halo = [h + own for h, own in zip(halo, stage.halo, strict=True)]
            sizes = zip(padded_size, interior, halo, strict=True)
            found.append(tuple(min(n, inner + 2 * h) for n, inner, h in sizes))
        return found[::-1]


def profile_memory(
    processor: BlockProcessor,
    shape: Sequence[int],
    channels: int,
    itemsize: int,
    by_channel: bool = False,
) -> Footprint:
    """Run each step on two small tiles and fit memory against pixels.

    Parameters
    ----------
    processor : BlockProcessor
        Stages with their kernels.
    shape : sequence of int
        Extent of a block of the image along its spatial axes.
    channels : int
        Channels of the image.
    itemsize : int
        Bytes of one of its values.
    by_channel : bool
        Whether channels are deconvolved one by one, as those of tiles are.
    """
    noise, contrast, brightness = ((value,) * channels for value in (0.01, 0.03, 0.5))
    assumed = ImageStatistics(noise, contrast, brightness) if by_channel else None
    halos = processor.halos
    processor = replace(processor, statistics=assumed)
    kernel = _kernel_shape(processor, len(shape))
    found = []
    for number, stage in enumerate(processor.stages):
        name = f"{number + 1}. {stage.name}"
        halo = halos.get(name)
        if halo is None:
            continue
        found.append(_measure(name, halo, stage, processor, shape, channels))
    return Footprint(tuple(found), tuple(kernel), channels, itemsize)


def _measured_tile(
    shape: Sequence[int], channels: int, kernel: Sequence[int], edge: int
) -> tuple[int, ...]:
    """Return the shape (C, *spatial) of a tile of about `edge` pixels that a step is measured on.

    It does not depend on the speed of the machine, so that a run is cut into the same tiles each
    time.
    """
    depth = (min(n, max(MEASURED_DEPTH, kernel[0])) for n in shape[:-2])
    return (channels, *depth, *(min(n, edge) for n in shape[-2:]))


def _measure(
    name: str,
    halo: tuple[int, ...],
    stage: Stage,
    processor: BlockProcessor,
    shape: Sequence[int],
    channels: int,
) -> StageFootprint:
    """Return the memory of a step, fitted to that on a smaller and on a larger tile."""
    assert not isinstance(stage, KernelEstimator)
    kernel = _kernel_shape(processor, len(shape))
    edge = max(SMALL_TILE, 2 * max(kernel))
    tile = _measured_tile(shape, channels, kernel, edge)
    small, low = scene_pixels(tile[1:], kernel), _count(stage, processor, tile)
    is_costly = low.peak > COSTLY_BYTES * small or prod(tile) > 4 * edge**2
    edge = 3 * edge if is_costly else max(LARGE_TILE, 2 * edge)
    tile = _measured_tile(shape, channels, kernel, edge)
    large = scene_pixels(tile[1:], kernel)
    try:
        high = _count(stage, processor, tile) if large > small else None
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        high = None
    counted = [(small, low)] if high is None else [(small, low), (large, high)]
    return fit_memory(name, halo, counted)


def fit_memory(
    name: str, halo: tuple[int, ...], counted: Sequence[tuple[int, AllocationCounter]]
) -> StageFootprint:
    """Return the memory of a step, fitted to what was counted on tiles of one or two sizes.

    Parameters
    ----------
    name : str
        Name of the step.
    halo : tuple of int
        Pixels around a tile that the step reads.
    counted : sequence of (int, AllocationCounter)
        Pixels of a tile and what was allocated on it, in ascending order; the last two are used.
        From a single one, memory is taken to be proportional to the pixels.
    """
    pixels, high = counted[-1]
    arrays = _arrays(high, pixels)
    if len(counted) == 1:
        return StageFootprint(name, halo, 0.0, high.peak / pixels, arrays)
    fewer, low = counted[-2]
    per_pixel = max(high.peak - low.peak, 0) / (pixels - fewer)
    return StageFootprint(name, halo, max(high.peak - per_pixel * pixels, 0.0), per_pixel, arrays)


def _arrays(counter: AllocationCounter, pixels: int) -> tuple[float, ...]:
    """Return the bytes per pixel of the arrays of at least a byte per pixel at the peak."""
    return tuple(n / pixels for n in sorted(counter.at_peak, reverse=True) if n >= pixels)


def _count(stage: Stage, processor: BlockProcessor, shape: tuple[int, ...]) -> AllocationCounter:
    """Run one step on a tile of noise, on the CPU, and return what it allocated.

    With statistics of an image it is a tile of that.
    """
    generator = torch.Generator().manual_seed(0)
    blurred = 0.5 + 0.1 * torch.rand(shape, generator=generator)
    kernel = None if processor.field is None else processor.field.mean
    context = processor.portable().context.with_(device="cpu", noise=0.01, contrast=0.03)
    if processor.statistics is not None:
        context = context.with_(cut_axes=(False,) * (blurred.ndim - 1))
        if isinstance(stage, Postprocessor):
            # Tiles are given its data-dependent settings, which take more memory to find.
            stage = stage.calibrate(blurred, blurred, kernel, context)
    mask = None
    if isinstance(stage, Deconvolver) and stage.bounds_saturated:
        # To solve for saturated pixels takes more memory than without any.
        part = corner([-(-n // 8) for n in shape[1:]])
        blurred[part] = SATURATED
        mask = torch.ones(shape[1:])
        mask[part] = 0
        context = context.with_(saturation_level=SATURATED)
    with AllocationCounter(blurred) as counter:
        run_steps(blurred, (stage,), kernel, context, mask, statistics=processor.statistics)
    return counter


def _kernel_shape(processor: BlockProcessor, ndim: int) -> tuple[int, ...]:
    return (1,) * ndim if processor.field is None else processor.field.kernels[0][0].shape


def scene_pixels(size: Sequence[int], kernel: Sequence[int]) -> int:
    """Return the pixels of the FFT grid of a tile's scene."""
    return int(prod(fast_length(n + k - 1) for n, k in zip(size, kernel, strict=True)))
