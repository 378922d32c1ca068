"""Images in tiles: every tile sees its halo, and what the whole image decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from unblur.engine.job import DeblurJob
from unblur.engine.kernels.estimate import telling_regions
from unblur.engine.record.runlog import Outcome
from unblur.engine.running.schedulers import Scheduler, Threads
from unblur.engine.steps.block import Recipe, calibrate, needs_calibration
from unblur.engine.tiles.lazy import deblurred_lazily
from unblur.engine.tiles.planning import Plan
from unblur.engine.tiles.reader import Source
from unblur.engine.tiles.task import Done, InMemory, Target, Work
from unblur.engine.tiles.tiling import Tile
from unblur.errors import Cancelled, UsageError

CALIBRATION_EDGE = 1024
"""Edge of the region on which stages are calibrated for all tiles, in pixels."""


class Tiles(Protocol):
    """Tiles to be done, of which the number is known."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Tile]: ...


def prepare_for_tiles(request: DeblurJob, recipe: Recipe) -> Recipe:
    """Return the recipe calibrated on the image, so that all tiles use the same settings.

    Raises
    ------
    UsageError
        If the pipeline's image comes out of the kernel step, which needs the whole.
    """
    kinds = {stage.kind for stage in request.stages}
    if "kernel" in kinds and "deconvolve" not in kinds:
        name = next(stage.name for stage in request.stages if stage.kind == "kernel")
        raise UsageError(
            f"{request.image.source}: kernel '{name}' finds kernel and image together and cannot "
            "work on tiles; add a deconvolve step, e.g. hyper-laplacian, which can."
        )
    return calibrate_on_region(request, replace(recipe, levels=request.levels()))


def calibrate_on_region(request: DeblurJob, recipe: Recipe) -> Recipe:
    """Return the recipe with its stages calibrated on the most textured region of the image.

    Nothing is read if no stage needs calibration.
    """
    if not any(map(needs_calibration, recipe.stages)):
        return recipe
    regions = telling_regions(request.layout, CALIBRATION_EDGE, request.read, count=1)
    if not regions:
        return recipe
    seen, mask = request.read(regions[0])
    return calibrate(recipe, seen, mask, [part.start for part in regions[0].outer])


def run_tiles(request: DeblurJob, recipe: Recipe, plan: Plan, outcome: Outcome) -> None:
    """Deblur all tiles of an image in memory, in threads."""
    result = np.empty_like(request.image.data)
    work = make_work(request, recipe, plan, InMemory(result))
    scheduler = Threads(plan.workers, plan.device)
    for _, end in follow(scheduler, work, plan.tiling, outcome):
        if isinstance(end, Exception):
            raise end
    outcome.values = result
    describe(plan, outcome)


def run_lazily(request: DeblurJob, recipe: Recipe, plan: Plan, outcome: Outcome) -> None:
    """Make the result a dask array, of which nothing is computed yet."""
    lazy = deblurred_lazily(request.layout.view(request.image.data), recipe, plan.tiling)
    outcome.values = lazy.reshape(request.image.shape)
    describe(plan, outcome)


def make_work(request: DeblurJob, recipe: Recipe, plan: Plan, target: Target) -> Work:
    """Return what is done to each tile."""
    return Work(Source.of(request.image), recipe.silent(), plan.tiling, target)


def follow(
    scheduler: Scheduler, work: Work, tiles: Tiles, outcome: Outcome
) -> Iterator[tuple[Tile, Done | Exception]]:
    """Run the work on tiles, gather what is said of them, report progress, heed cancellation.

    Yields each tile as it ends.
    """
    context = outcome.request.context
    tick = context.ticker("tiles", len(tiles))
    current = [work]
    for tile, end in scheduler.run(lambda: current[0], tiles):
        if isinstance(end, Cancelled):
            raise end
        if isinstance(end, Done):
            current[0] = current[0].within(end.limit)
            outcome.warn(*end.warnings)
            outcome.nonfinite += end.nonfinite
            for step, seconds in enumerate(end.seconds):
                outcome.seconds[step] += seconds
        yield tile, end
        tick()


def describe(plan: Plan, outcome: Outcome) -> None:
    """Note the tiling in the outcome."""
    outcome.tiles = {
        "size": list(plan.tiling.size),
        "halo": list(plan.tiling.halo),
        "count": len(plan.tiling),
    }
    outcome.warn(*plan.remarks)
