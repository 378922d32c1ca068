"""Time and memory that a run is expected to take, measured on small pieces of its image."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import inf, prod

import torch

from unblur.accel.chunk_cache import KEPT_BYTES
from unblur.accel.malloc import trim_memory
from unblur.accel.memory import AllocationCounter, resident_memory
from unblur.accel.trials import Trial, extrapolate_by_power, extrapolate_linearly
from unblur.engine.intake.image_statistics import mean_gradient_energy
from unblur.engine.job import DeblurJob
from unblur.engine.kernels.estimate import WINDOWS, kernel_step
from unblur.engine.kernels.local import window_edge, window_grid
from unblur.engine.steps.block import BlockProcessor, calibrate, needs_calibration
from unblur.engine.steps.sequence import run_until_kernel
from unblur.engine.tiles.footprint import fit_memory, scene_pixels
from unblur.engine.tiles.planning import Expectation, Plan, is_gpu
from unblur.engine.tiles.runner import CALIBRATION_EDGE
from unblur.engine.tiles.tiling import Tile, Tiling, spread_windows
from unblur.errors import Cancelled, UnblurError
from unblur.model.context import Progress

EDGES = (128, 256, 512, 1024)
"""Edges of the pieces that are tried, in pixels."""

TRIAL_SECONDS, LONG_SECONDS = 1.0, 3.0
"""Durations from which no larger piece is tried: the second one, and any, in seconds."""

MOST_SECONDS = 15.0
"""Longest trial of a kernel step, in seconds; one that takes longer is extrapolated by its
progress."""

CANDIDATES = 9
"""Number of pieces of one size of which the most textured one is tried, dimensionless."""


@dataclass(frozen=True)
class WarmUp:
    """What the first piece of a process costs beyond the others.

    Attributes
    ----------
    memory : int
        Memory of the process after it, without the image: program and libraries, bytes.
    seconds : float
        Duration of compiling and loading, seconds.
    """

    memory: int
    seconds: float


def measure_warm_up(job: DeblurJob, processor: BlockProcessor) -> WarmUp:
    """Run the steps twice on a small piece, before anything else in this process has run them."""
    piece = _piece(job, EDGES[0])
    first, second = (_seconds(partial(_run, job, processor, piece)) for _ in range(2))
    trim_memory()
    image = 0 if job.image.is_lazy else prod(job.image.shape) * job.image.dtype.itemsize
    return WarmUp(max(resident_memory() - image, 0), max(first - second, 0.0))


def expect(job: DeblurJob, processor: BlockProcessor, plan: Plan, warm_up: WarmUp) -> Expectation:
    """Return memory and time of the run that a plan describes.

    Parameters
    ----------
    job : DeblurJob
        Image and pipeline.
    processor : BlockProcessor
        Stages with their kernel, which may be an assumed one.
    plan : Plan
        Tiles and their memory.
    warm_up : WarmUp
        From `measure_warm_up`.
    """
    kernel_memory, kernel_seconds = _expect_kernels(job)
    seconds = _expect_tiles(job, processor, plan)
    total = None
    if kernel_seconds is not None and seconds is not None:
        total = warm_up.seconds + kernel_seconds + seconds
    if is_gpu(plan.device):
        return Expectation(max(plan.peak, kernel_memory), total)
    held = prod(job.image.shape) * job.image.dtype.itemsize
    image, result = (min(held, KEPT_BYTES), 0) if plan.way == "streamed" else (held, held)
    working = max(kernel_memory, plan.peak + result)
    return Expectation(warm_up.memory + image + working, total)


def _expect_tiles(job: DeblurJob, processor: BlockProcessor, plan: Plan) -> float | None:
    """Return the duration of the steps on all blocks or tiles, without those of the kernel."""
    if not _runs_on_tiles(job):
        return 0.0
    kernel, threads = plan.footprint.kernel, torch.get_num_threads()
    tile = scene_pixels(plan.tiling.padded_size, kernel)
    if plan.whole:
        count = float(plan.tiling.layout.count)
    else:
        as_tile = processor.context.with_(cut_axes=(False,) * processor.ndim)
        processor = replace(processor, statistics=job.statistics, context=as_tile)
        threads = max(threads // plan.workers, 1)
        count = _tiled_pixels(plan.tiling, kernel) / tile / plan.workers
    with _threads(threads):
        trials = _try_pieces(job, processor, max(plan.tiling.padded_size[-2:]), kernel)
        if not trials:
            return None
        seconds = count * extrapolate_linearly(trials, tile)
        if not plan.whole:
            seconds += _calibration_seconds(job, processor)
    return seconds


def _try_pieces(
    job: DeblurJob, processor: BlockProcessor, edge: int, kernel: Sequence[int]
) -> list[Trial]:
    """Try larger and larger pieces of at most `edge` pixels, up to a duration."""
    trials: list[Trial] = []
    for size in EDGES:
        if trials and (size > edge or _is_last(trials)):
            break
        piece = _piece(job, size)
        call = partial(_run, job, processor, piece)
        try:
            seconds = _seconds(call)
        except UnblurError:
            continue
        if seconds < LONG_SECONDS:
            # Once more: another program may have had the processor for a moment.
            seconds = min(seconds, _seconds(call))
        trials.append(Trial(scene_pixels(_extent(piece), kernel), seconds))
    return trials


def _is_last(trials: Sequence[Trial]) -> bool:
    """Return whether no larger piece is to be tried."""
    last = trials[-1].amount
    return last > LONG_SECONDS or (last > TRIAL_SECONDS and len(trials) > 1)


def _calibration_seconds(job: DeblurJob, processor: BlockProcessor) -> float:
    """Return the duration of the calibration of the steps, for all tiles at once."""
    if not any(map(needs_calibration, processor.stages)):
        return 0.0
    piece = _piece(job, EDGES[1])
    blurred, mask = job.read(piece)
    origin = [part.start for part in piece.padded]
    seconds = _seconds(partial(calibrate, processor.silent(), blurred, mask, origin))
    window = min(CALIBRATION_EDGE**2, prod(job.layout.spatial[-2:]))
    return seconds * window / prod(_extent(piece)[-2:])


def _expect_kernels(job: DeblurJob) -> tuple[int, float | None]:
    """Return memory and duration of the estimation of the kernels, 0 where there is none."""
    if job.field is not None or not any(stage.kind == "kernel" for stage in job.stages):
        return 0, 0.0
    extent, count = _estimated_regions(job)
    size = getattr(kernel_step(job).params, "size", 0)
    least = 2 * size if isinstance(size, int) else 0
    trials: list[Trial] = []
    counted: list[Trial] = []
    loading = 0.0
    for edge in EDGES:
        if edge < least:
            continue
        # The estimators use windows of large images: from one small piece alone the duration of
        # a large image would come out far too long.
        if (trials and edge > max(extent[-2:])) or (
            len(trials) > 1 and trials[-1].amount > LONG_SECONDS
        ):
            break
        piece = _piece(job, edge)
        try:
            seconds = _estimation_seconds(job, piece)
            if seconds is not None and not trials and seconds < LONG_SECONDS:
                again = _estimation_seconds(job, piece) or seconds
                loading, seconds = max(seconds - again, 0.0), again
            if seconds is not None and seconds < LONG_SECONDS:
                counted.append(_count_estimation(job, piece))
        except UnblurError:
            continue
        if seconds is not None:
            trials.append(Trial(prod(_extent(piece)), seconds))
    if not trials:
        return 0, None
    pixels = prod(extent)
    peak = 4.0 * len(job.layout.colours) * pixels
    if counted:
        peak += extrapolate_by_power(counted, pixels)
    return int(peak), loading + count * extrapolate_by_power(trials, pixels)


def _estimated_regions(job: DeblurJob) -> tuple[tuple[int, ...], int]:
    """Return the spatial extents of the parts that kernels are estimated on, and their number."""
    layout, tiles = job.layout, job.pipeline.tiles
    if not _runs_on_tiles(job):
        return layout.spatial, layout.count
    edge = window_edge(job.stages)
    if tiles.kernel == "local":
        grid = window_grid(layout, tiles.size if isinstance(tiles.size, int) else edge)
        windows = list(grid.tiles.values())
        return _extent(windows[0]), len(windows)
    if prod(layout.spatial[-2:]) <= max(job.limits.whole_kernel, edge**2):
        return layout.spatial, 1
    windows = spread_windows(layout, edge)
    return _extent(windows[0]), min(WINDOWS, len(windows))


def _estimation_seconds(job: DeblurJob, piece: Tile) -> float | None:
    """Return the duration of the kernel step on a piece, by its progress if it takes long."""
    blurred, mask = job.read(piece)
    began = time.perf_counter()
    last: deque[Progress] = deque(maxlen=1)  # a report may hold an image

    def is_over() -> bool:
        return time.perf_counter() - began > MOST_SECONDS

    context = job.context.with_(on_progress=last.append, is_cancelled=is_over)
    try:
        run_until_kernel(blurred, job.stages, context, mask)
    except Cancelled:
        remaining = last[-1].remaining if last else inf
        return None if remaining == inf else time.perf_counter() - began + remaining
    return time.perf_counter() - began


def _count_estimation(job: DeblurJob, piece: Tile) -> Trial:
    """Return the bytes that the process holds for the kernel step on a piece."""
    blurred, mask = job.read(piece)
    with AllocationCounter(blurred, arrays=True) as counter:
        run_until_kernel(blurred, job.stages, job.context.silent(), mask)
    pixels = prod(_extent(piece))
    needed = fit_memory("kernel", (), [(pixels, counter)])
    return Trial(pixels, needed.resident(pixels, is_tile=False))


def _runs_on_tiles(job: DeblurJob) -> bool:
    """Return whether the kernel is estimated, if at all, before the image is deblurred."""
    kinds = {stage.kind for stage in job.stages}
    return "kernel" not in kinds or "deconvolve" in kinds


def _tiled_pixels(tiling: Tiling, kernel: Sequence[int]) -> int:
    """Return the pixels of the FFT grids of all tiles together."""
    blocks = tiling.layout.count
    lengths = []
    for extent, size, halo, width in zip(
        tiling.layout.spatial, tiling.size, tiling.halo, kernel, strict=True
    ):
        spans = [
            min(start + size + halo, extent) - max(start - halo, 0)
            for start in range(0, extent, size)
        ]
        lengths.append(sum(scene_pixels((span,), (width,)) for span in spans))
    return blocks * prod(lengths)


def _piece(job: DeblurJob, edge: int) -> Tile:
    """Return the most textured of a few windows of about `edge` pixels."""
    windows = spread_windows(job.layout, edge, CANDIDATES)
    if len(windows) == 1:
        return windows[0]
    return max(windows, key=lambda tile: mean_gradient_energy(*job.read(tile)))


def _run(job: DeblurJob, processor: BlockProcessor, piece: Tile) -> None:
    part = job.reader.read(piece.region(piece.padded)).values
    block = part[0] if piece.z_slice is None else part[0, :, 0]
    origin = (piece.padded[-2].start, piece.padded[-1].start)
    processor.silent().run(block, origin=origin)


def _extent(piece: Tile) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in piece.padded)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads meanwhile."""
    own = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(own)
