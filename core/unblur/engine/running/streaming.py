"""Images larger than memory: tile by tile from store to store, to be resumed after a crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unblur.engine.job import DeblurJob
from unblur.engine.kernels.finding import find_kernels
from unblur.engine.record import report as provenance
from unblur.engine.record.reporting import make_report
from unblur.engine.record.result import Result
from unblur.engine.record.runlog import Outcome
from unblur.engine.running.journal import Journal
from unblur.engine.running.schedulers import Scheduler, Threads
from unblur.engine.steps.block import Recipe
from unblur.engine.tiles.planning import Plan, fills_chunks, make_plan
from unblur.engine.tiles.task import Returned, Work
from unblur.engine.tiles.tiled import describe, follow, make_work, prepare_for_tiles
from unblur.engine.tiles.tiling import Tile, Tiling
from unblur.errors import OutputError, UnblurError
from unblur.model.formats import RegionWriter
from unblur.model.image import AXES
from unblur.model.stages import Estimate

OpenStore = Callable[[bool], RegionWriter]
"""Makes the store of the result, or takes up the one of an interrupted run if told true."""


def deblur_into(
    request: DeblurJob,
    open_store: OpenStore,
    journal: Journal,
    *,
    resume: bool = False,
    scheduler: Scheduler | None = None,
    workers: int | None = None,
) -> Result:
    """Deblur an image tile by tile into a store, so that a crash costs the tiles in work.

    Parameters
    ----------
    request : DeblurJob
        Image, pipeline and kernel; the image may be lazy.
    open_store : callable
        Returns the `RegionWriter` of the result; told whether to take up an earlier one.
    journal : Journal
        Where finished tiles are recorded. The caller completes it once the store has its final
        name, and closes it otherwise.
    resume : bool
        Go on with what an interrupted run has left; if it left nothing, start.
    scheduler : Scheduler, optional
        Where tiles run; by default threads of this process.
    workers : int, optional
        Tiles at a time in threads; by default one per GPU or CPU core.

    Returns
    -------
    Result
        With `image` none: it is in the store, which is finished. `report.failures` lists the
        parts of the image that could not be made; there the result holds NaN (0 in integers),
        or the input if `nonfinite` is "fill".

    Raises
    ------
    OutputError
        If pipeline, params, kernel or input have changed since the interrupted run, or what it
        had written is gone, or the store cannot be written; what is finished stays recorded.
    Cancelled
        If the user asked to stop, after the tiles in work.
    """
    began, started = time.perf_counter(), provenance.now()
    outcome = Outcome(request)
    job = describe_job(request)
    resume = resume and journal.job is not None
    if resume:
        journal.check(job)
    else:
        journal.begin(job)
    recipe = _recipe(request, outcome, journal)
    store = open_store(resume)
    finished = journal.finished()
    if finished and not store.resumed:
        store.discard()  # or the next try would take the empty store for the finished tiles
        raise OutputError(
            f"{journal.output} cannot be resumed: {len(finished)} tiles are recorded as finished, "
            "but what the interrupted run had written is gone; run without --resume to start "
            "again."
        )
    grain = _grain(store, request)
    plan = _plan(request, recipe, grain, journal, workers)
    describe(plan, outcome)
    scheduler = scheduler or Threads(plan.workers, plan.device)
    direct = scheduler.in_process or fills_chunks(plan.tiling, grain)
    work = make_work(request, recipe, plan, store if direct else Returned())
    remaining = Remaining(plan.tiling, finished)
    succeeded = bool(finished)
    for tile, end in follow(scheduler, work, remaining, outcome):
        if isinstance(end, Exception):
            if isinstance(end, UnblurError) or not succeeded:
                raise end
            _fill(store, work, tile, request.nonfinite == "fill")
            outcome.fail(f"{tile}: {type(end).__name__}: {end}")
            continue
        for region, values in end.returned:
            store.write(region, values)
        succeeded = True
        outcome.fail(*end.unread)
        if not end.unread:
            journal.record(tile.number)
    store.finish()
    if finished and outcome.tiles is not None:
        outcome.tiles["resumed"] = len(finished)
    report = make_report(request, outcome, started, time.perf_counter() - began)
    return Result(None, None if outcome.estimate is None else outcome.estimate.field, report)


class Remaining:
    """The tiles that are still to be done, in order."""

    def __init__(self, tiling: Tiling, finished: Collection[int]) -> None:
        self.tiling, self.finished = tiling, finished

    def __len__(self) -> int:
        return len(self.tiling) - len(self.finished)

    def __iter__(self) -> Iterator[Tile]:
        return (tile for tile in self.tiling if tile.number not in self.finished)


def describe_job(request: DeblurJob) -> dict[str, Any]:
    """Return what must be the same for an interrupted run to be resumed, by everyday names."""
    pipeline, image = request.pipeline, provenance.describe_input(request.image)
    return {
        "the pipeline": [f"{stage.kind}: {stage.name}" for stage in request.stages],
        "the params": [
            *(stage.params.model_dump(mode="json") for stage in request.stages),
            {"seed": request.context.seed, "noise": request.context.noise},
            {"nonfinite": request.nonfinite, "saturation_level": request.masking.saturation_level},
        ],
        "the tiles": pipeline.tiles.model_dump(mode="json"),
        "the kernel": "" if request.field is None else provenance.hash_field(request.field),
        "the input": [image.sha256, image.axes, *_stamp(request.image.source)],
    }


def _recipe(request: DeblurJob, outcome: Outcome, journal: Journal) -> Recipe:
    """Return the recipe for the tiles, with the kernels of the interrupted run if there are any.

    New ones are stored and taken from there, so that both runs use the very same numbers.
    """
    stored = journal.kernels()
    if stored is None and find_kernels(request, outcome) is not None:
        if request.field is not None:
            return prepare_for_tiles(request, replace(request.recipe(), field=request.field))
        assert outcome.estimate is not None
        journal.keep_kernels(outcome.estimate.field, outcome.where)
        stored = journal.kernels()
        outcome.estimate = None
    field = None
    if stored is not None:
        field, where = stored
        outcome.found(Estimate(field), where)
    return prepare_for_tiles(request, replace(request.recipe(), field=field))


def _plan(
    request: DeblurJob,
    recipe: Recipe,
    grain: Sequence[int],
    journal: Journal,
    workers: int | None,
) -> Plan:
    """Return the plan, with the tiles of the interrupted run if it had come that far."""
    plan = make_plan(request, recipe, workers=workers, grain=grain, prefer_whole=False)
    tiles = journal.tiles()
    if tiles is None:
        journal.keep_tiles(plan.tiling.size, plan.tiling.together)
        return plan
    size, together = tiles
    return replace(plan, tiling=replace(plan.tiling, size=size, together=together))


def _grain(store: RegionWriter, request: DeblurJob) -> tuple[int, ...]:
    """Return the store's grain along TCZYX."""
    own = dict(zip(request.image.axes, store.write_alignment, strict=True))
    return tuple(own.get(axis, 1) for axis in AXES)


def _fill(store: RegionWriter, work: Work, tile: Tile, with_input: bool) -> None:
    """Fill a tile that could not be made: with the input, or with NaN (0 in integers)."""
    core = work.source.bounds(tile.region(tile.core))
    if with_input:
        values = work.source.read(core).values
    else:
        empty = np.nan if store.dtype.kind == "f" else 0
        values = np.full([part.stop - part.start for part in core], empty, store.dtype)
    place = work.source.own(core)
    store.write(place, values.reshape([part.stop - part.start for part in place]))


def _stamp(source: str) -> list[int]:
    """Return size and time of change of the file that an image came from, if it was one.

    Of a folder, the sum and the latest over its files.
    """
    try:
        path = Path(source)
        if path.is_file():
            return [path.stat().st_size, path.stat().st_mtime_ns]
        found = [file.stat() for file in path.rglob("*")] if path.is_dir() else []
    except (OSError, ValueError):
        return []
    return [sum(s.st_size for s in found), max(s.st_mtime_ns for s in found)] if found else []
