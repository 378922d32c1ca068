"""One image: the decision how it is processed, which `plan` announces, and its processing."""

from __future__ import annotations

import time
from dataclasses import replace
from math import prod
from typing import Any

from unblur.accel.memory import available, is_out_of_memory, release
from unblur.engine.job import DeblurJob, Plannable
from unblur.engine.kernels.estimate import KernelResult, find_kernels
from unblur.engine.report import Result, RunLog, make_report, now
from unblur.engine.tiles.footprint import Footprint
from unblur.engine.tiles.planning import (
    Way,
    footprint_of,
    is_gpu,
    largest_memory,
    make_plan,
    with_assumed_kernel,
)
from unblur.engine.tiles.runner import prepare_for_tiles, run_lazily, run_tiles, run_whole
from unblur.numerics.psf.image_fit import with_image_pixels


def choose_way(
    job: Plannable, *, to_file: bool = False, is_recorded: bool = False, free: int | None = None
) -> Way:
    """Decide how an image is processed; what `plan` announces and `run` does.

    An image of up to `limits.unplanned` pixels is processed whole, and a larger one if it stays
    within the budget and, in a file, below `limits.streamed` values.

    Parameters
    ----------
    job : Plannable
        Image and pipeline; no value is read.
    to_file : bool
        Whether the result goes to a file that can be written tile by tile.
    is_recorded : bool
        Whether a scheduler or an interrupted run requires recorded tiles.
    free : int, optional
        Free memory of the device, bytes; measured by default.
    """
    if is_recorded:
        return "streamed"
    kinds = {stage.kind for stage in job.processor.stages}
    if job.image.is_lazy and not to_file:
        return "lazy"
    if "kernel" in kinds and "deconvolve" not in kinds:
        return "whole"  # each block finds its own kernel, which takes the whole of it
    tileable = "deconvolve" in kinds
    if to_file and tileable and prod(job.image.shape) >= job.limits.streamed:
        return "streamed"
    if job.pipeline.tiles.size != "auto":
        return "tiled"
    if prod(job.layout.spatial) <= job.limits.unplanned:
        return "whole"
    processor = with_assumed_kernel(job)[0]
    if _fits_whole(job, footprint_of(job, processor), free):
        return "whole"
    return "streamed" if to_file and tileable else "tiled"


def _fits_whole(job: Plannable, footprint: Footprint, free: int | None) -> bool:
    device = job.processor.context.device
    free = available(device) if free is None else free
    peak = footprint.predict(job.layout.spatial, is_gpu(device), is_tile=False)
    if not is_gpu(device):
        # The image and its result are in memory beside the block in work.
        peak += 2 * prod(job.image.shape) * job.image.dtype.itemsize
    return peak <= largest_memory(device, free)


def run_job(job: DeblurJob, way: Way | None = None) -> Result:
    """Deblur an image whole, in tiles, or lazily, as it is given and as memory allows.

    Parameters
    ----------
    job : DeblurJob
        Image, pipeline and kernel; its context reports the progress and requests cancellation.
    way : {"whole", "tiled", "lazy"}, optional
        How to process it, where that is decided; `choose_way` decides otherwise.

    Returns
    -------
    Result
        With `image` an `Image`, lazy if the job's is.

    Raises
    ------
    UnblurError
        With what does not fit and what to do.
    Cancelled
        If the user requested it.
    """
    began, started = time.perf_counter(), now()
    way = way or choose_way(job)
    kernel = find_kernels(job)
    values, kernel, log = _run(job, kernel, way)
    report = make_report(job, kernel, log, started, time.perf_counter() - began)
    latent = None if kernel.estimate is None else kernel.estimate.latent
    return Result(
        image=job.image.with_data(values),
        kernel=None if kernel.field is None else with_image_pixels(kernel.field, job.image),
        report=report,
        latent=None if latent is None or job.layout.count > 1 else latent.cpu().numpy(),
    )


def _run(job: DeblurJob, kernel: KernelResult, way: Way) -> tuple[Any, KernelResult, RunLog]:
    """Return the deblurred values, the kernels, and the log of the whole run."""
    log = RunLog.of(job.stages)
    log.add(kernel.log)
    processor = replace(job.processor, field=kernel.field)
    if way == "whole":
        try:
            values, kernel, later = run_whole(job, processor, kernel)
        except Exception as error:
            if not is_out_of_memory(error) or _needs_whole(job, kernel):
                raise
            release(job.context.device)
            log.warn("memory ran out on the whole image; it was cut into tiles.")
        else:
            log.add(later)
            return values, kernel, log
    processor = prepare_for_tiles(job, processor, log)
    run = run_lazily if way == "lazy" else run_tiles
    values, later = run(job, processor, make_plan(job, processor, way))
    log.add(later)
    return values, kernel, log


def _needs_whole(job: DeblurJob, kernel: KernelResult) -> bool:
    """Return whether each block finds its own kernel, which takes the whole of it."""
    return kernel.field is None and any(stage.kind == "kernel" for stage in job.stages)
