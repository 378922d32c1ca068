"""Images larger than memory, processed tile by tile into a store, to be resumed after a crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from unblur.engine.job import DeblurJob
from unblur.engine.kernels.estimate import KernelResult, find_kernels, stored_kernels
from unblur.engine.report import Result, RunLog, hash_field, make_report, now
from unblur.engine.running.schedulers import Scheduler, Threads
from unblur.engine.tiles.planning import make_plan
from unblur.engine.tiles.runner import add_plan, add_tile, follow, prepare_for_tiles, tile_task
from unblur.engine.tiles.sizing import fills_chunks
from unblur.engine.tiles.task import DeferredTarget, TileTask
from unblur.engine.tiles.tiling import Tile, Tiling
from unblur.errors import OutputError, PluginError, UnblurError
from unblur.model.formats import RegionWriter
from unblur.model.image import AXES, Image
from unblur.numerics.psf.image_fit import with_image_pixels
from unblur.plugins.faults import describe_fault
from unblur.runs.journal import CROP, INPUT, Journal
from unblur.runs.sources import file_stamp

OpenStore = Callable[[bool], RegionWriter]
"""Creates the store of the result, or opens that of an interrupted run if its argument is true."""


def deblur_into(
    job: DeblurJob,
    open_store: OpenStore,
    journal: Journal,
    *,
    resume: bool = False,
    scheduler: Scheduler | None = None,
    workers: int | None = None,
) -> Result:
    """Deblur an image tile by tile into a store, so that a crash costs only the tiles in work.

    Parameters
    ----------
    job : DeblurJob
        Image, pipeline and kernel; the image may be lazy.
    open_store : callable
        Returns the `RegionWriter` of the result; its argument is whether to open an earlier one.
    journal : Journal
        Record of the finished tiles. The caller deletes it once the store has its final name,
        and closes it otherwise.
    resume : bool
        Whether to continue an interrupted run; if there is none, a new one begins.
    scheduler : Scheduler, optional
        Where tiles run; by default threads of this process.
    workers : int, optional
        Tiles at a time in threads; by default one per GPU or CPU core.

    Returns
    -------
    Result
        Without an image: it is in the store, which is finished. `report.failures` lists the
        parts of the image that could not be made; there the result holds NaN (0 in integers),
        or the input if `nonfinite` is "fill".

    Raises
    ------
    OutputError
        If pipeline, params, kernel or input have changed since the interrupted run, or its
        store is missing, or the store cannot be written; what is finished stays recorded.
    Cancelled
        If the user requested it, after the tiles in work.
    """
    began, started = time.perf_counter(), now()
    description = describe_job(job)
    resume = resume and journal.description is not None
    if resume:
        journal.check(description)
    else:
        journal.begin(description)
    kernel = _kernels(job, journal)
    log = RunLog.of(job.stages)
    log.add(kernel.log)
    processor = prepare_for_tiles(job, replace(job.processor, field=kernel.field), log)
    store = open_store(resume)
    finished = journal.finished()
    if finished and not store.resumed:
        store.discard()  # or the next try would take the empty store for the finished tiles
        raise OutputError(
            f"{journal.output} cannot be resumed: {len(finished)} tiles are recorded as finished, "
            "but what the interrupted run had written is gone; run without --resume to start "
            "again."
        )
    chunk_shape = _chunk_shape(store, job)
    plan = make_plan(job, processor, "streamed", workers=workers, chunk_shape=chunk_shape)
    plan = replace(plan, tiling=_recorded_tiling(plan.tiling, journal))
    add_plan(log, plan)
    scheduler = scheduler or Threads(plan.workers, plan.device)
    direct = scheduler.in_process or fills_chunks(plan.tiling, chunk_shape)
    task = tile_task(job, processor, plan, store if direct else DeferredTarget())
    if scheduler.in_process:
        task = replace(task, reader=task.reader.cached())
    any_succeeded = bool(finished)
    for tile, outcome in follow(scheduler, task, PendingTiles(plan.tiling, finished), job.context):
        if isinstance(outcome, Exception):
            is_of_plugin = isinstance(outcome, PluginError)
            if (isinstance(outcome, UnblurError) and not is_of_plugin) or not any_succeeded:
                raise outcome
            _fill(store, task, tile, job.processor.nonfinite == "fill")
            log.fail(f"{tile}: {describe_fault(outcome)}")
            continue
        for region, values in outcome.deferred:
            store.write(region, values)
        any_succeeded = True
        add_tile(log, outcome)
        log.fail(*outcome.unreadable)
        if not outcome.unreadable:
            journal.record(tile.number)
    store.finish()
    if finished and log.tiles is not None:
        log.tiles["resumed"] = len(finished)
    report = make_report(job, kernel, log, started, time.perf_counter() - began)
    field = None if kernel.field is None else with_image_pixels(kernel.field, job.image)
    return Result(None, field, report)


class PendingTiles:
    """The tiles of a tiling that are not finished, in order."""

    def __init__(self, tiling: Tiling, finished: Collection[int]) -> None:
        self.tiling, self.finished = tiling, finished

    def __len__(self) -> int:
        return len(self.tiling) - len(self.finished)

    def __iter__(self) -> Iterator[Tile]:
        return (tile for tile in self.tiling if tile.number not in self.finished)


def describe_job(job: DeblurJob) -> dict[str, Any]:
    """Return what must be equal for an interrupted run to be resumed, by names for the user."""
    normalization = job.processor.normalization
    return {
        "the pipeline": [f"{stage.kind}: {stage.name}" for stage in job.stages],
        "the params": [
            *(stage.params.model_dump(mode="json") for stage in job.stages),
            {"seed": job.context.seed, "noise": job.context.noise},
            {
                "nonfinite": job.processor.nonfinite,
                "saturation_level": normalization.saturation_level,
                "tone_curve": normalization.tone_curve,
            },
        ],
        "the tiles": job.pipeline.tiles.model_dump(mode="json"),
        "the kernel": "" if job.field is None else hash_field(job.field),
        CROP: _cropped_part(job.image),
        INPUT: [job.values.sha256, job.image.axes, *file_stamp(job.image.source)],
    }


def _cropped_part(image: Image) -> list[int] | None:
    """Return first row, first column and extents of a part of an image; `None` for the whole."""
    if not image.origin:
        return None
    return [*(image.origin.get(axis, 0) for axis in "YX"), image.extent("Y"), image.extent("X")]


def _kernels(job: DeblurJob, journal: Journal) -> KernelResult:
    """Return the kernels: those that the interrupted run estimated, if it did, else new ones.

    New ones are stored. A stored kernel is read back bit for bit.
    """
    stored = journal.kernels()
    if stored is not None:
        return stored_kernels(job, *stored)
    kernel = find_kernels(job)
    if job.field is None and kernel.field is not None:
        journal.save_kernels(kernel.field, kernel.region, kernel.confidence, kernel.choices)
    return kernel


def _recorded_tiling(tiling: Tiling, journal: Journal) -> Tiling:
    """Return the tiling of the interrupted run if it had one; else store this one."""
    recorded = journal.tiling()
    if recorded is None:
        journal.save_tiling(tiling.size, tiling.tz_group)
        return tiling
    size, tz_group = recorded
    return replace(tiling, size=size, tz_group=tz_group)


def _chunk_shape(store: RegionWriter, job: DeblurJob) -> tuple[int, ...]:
    """Return the extents of the regions along TCZYX that the store writes at once."""
    own = dict(zip(job.image.axes, store.write_alignment, strict=True))
    return tuple(own.get(axis, 1) for axis in AXES)


def _fill(store: RegionWriter, task: TileTask, tile: Tile, with_input: bool) -> None:
    """Fill a tile that could not be made: with the input, or with NaN (0 in integers)."""
    interior = task.reader.bounds(tile.region(tile.interior))
    if with_input:
        values = task.reader.read(interior).values
    else:
        empty = np.nan if store.dtype.kind == "f" else 0
        values = np.full([span.stop - span.start for span in interior], empty, store.dtype)
    region = task.reader.to_image_axes(interior)
    store.write(region, values.reshape([span.stop - span.start for span in region]))
