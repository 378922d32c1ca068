"""One image from file to file: whole in memory, or tile by tile from store to store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unblur.cli.console import tell
from unblur.cli.jobs import Job

if TYPE_CHECKING:
    from unblur.engine import Result
    from unblur.engine.intake.masking import Holes
    from unblur.engine.job import Request
    from unblur.engine.running.freeze import Frozen
    from unblur.model.context import Context
    from unblur.model.formats import RegionWriter
    from unblur.model.image import Image
    from unblur.model.kernel import KernelField
    from unblur.pipeline import Pipeline

STREAMED_VALUES = 2**26
"""Values from which on an image is worked on in recorded tiles, so that a crash costs little."""


@dataclass
class Decisions:
    """What the first image that can be read decides for all, once it has."""

    made: Frozen | None = None


@dataclass(frozen=True)
class Order:
    """All that holds for every input of one run; see the options of `unblur run`."""

    pipeline: Pipeline
    psf: KernelField | None
    context: Context
    axes: str | None = None
    crop: tuple[slice, slice] | None = None
    scheduler: str = "threads"
    workers: int | None = None
    device: str = "auto"
    overwrite: bool = False
    resume: bool = False
    holes: Holes = "keep"
    decisions: Decisions | None = None


def deblur_file(job: Job, order: Order) -> Result:
    """Read, deblur and write one image; its kernel and account are there before it is.

    Raises
    ------
    UnblurError
        With what is wrong with the input, the output, or both together.
    Cancelled
        If the user asked to stop. What was finished of a streamed image is kept for --resume.
    """
    from unblur.io import check_output
    from unblur.io.files import check_vacant, explained

    image = _read(job.source, order, lazy=True)
    if job.makes_folder:
        with explained(job.output.parent):
            job.output.parent.mkdir(parents=True, exist_ok=True)
    writer = check_output(image, job.output, overwrite=order.overwrite)
    if writer.lossy:
        tell(f"{job.output}: {writer.name} alters values a little; .png or .tif keep them.")
    for sidecar in job.files[1:]:
        check_vacant(sidecar, order.overwrite)
    if _streams(image, job, order):
        return _streamed(image, job, order)
    return _whole(_read(job.source, order, lazy=False), job, order)


def decide(job: Job, order: Order) -> None:
    """Let an image whose result is there already decide for those after it, if one is to."""
    if order.decisions is not None and order.decisions.made is None:
        _frozen(_read(job.source, order, lazy=True), order)


def journal_path(output: Path) -> Path:
    """Return the folder where the finished tiles of an unfinished result are recorded."""
    return output.with_name(f".{output.name}.journal")


def _read(source: Path, order: Order, *, lazy: bool) -> Image:
    from unblur.io import read_image

    image = read_image(source, axes=order.axes, lazy=lazy)
    return image if order.crop is None else image.cropped(*order.crop)


def _streams(image: Image, job: Job, order: Order) -> bool:
    """Whether an image is done tile by tile: a large one, one resumed, one sent to a cluster."""
    if order.scheduler != "threads" or (order.resume and journal_path(job.output).exists()):
        return True
    tileable = any(step.kind == "deconvolve" for step in order.pipeline.steps)
    return tileable and prod(image.shape) > STREAMED_VALUES


def _request(image: Image, order: Order) -> Request:
    from unblur.engine.job import Request

    return Request.of(image, order.pipeline, order.psf, order.context, holes=order.holes)


def _frozen(image: Image, order: Order) -> Frozen | None:
    """Return what holds for all images, decided on this one if on none before it."""
    from unblur.engine.running.freeze import freeze

    if order.decisions is None:
        return None
    if order.decisions.made is None:
        order.decisions.made = freeze(_request(image, order))
    return order.decisions.made


def _whole(image: Image, job: Job, order: Order) -> Result:
    from unblur.engine import deblur
    from unblur.io import write_image

    context = order.context
    result = deblur(
        image,
        order.pipeline,
        order.psf,
        device=context.device,
        seed=context.seed,
        noise=context.noise,
        holes=order.holes,
        frozen=_frozen(image, order),
        on_progress=context.on_progress,
        is_cancelled=context.is_cancelled,
    )
    context.checkpoint()
    _write_sidecars(result, job, order)
    write_image(result.image, job.output, overwrite=order.overwrite)
    return result


def _streamed(image: Image, job: Job, order: Order) -> Result:
    from unblur.engine.running.dask_cluster import make_scheduler
    from unblur.engine.running.journal import Journal
    from unblur.engine.running.streaming import deblur_into
    from unblur.io import partial_path, publish

    request, frozen = _request(image, order), _frozen(image, order)
    if frozen is not None:
        request = frozen.applied(request)
    scheduler = make_scheduler(order.scheduler, order.workers, device=order.device, **_told(order))
    partial = partial_path(job.output)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(journal_path(job.output), job.output))
        result = deblur_into(
            request,
            _store(image, partial),
            journal,
            resume=order.resume,
            scheduler=scheduler,
            workers=order.workers,
        )
        _write_sidecars(result, job, order)
        publish(partial, job.output, overwrite=order.overwrite)
        journal.complete()
    return result


def _told(order: Order) -> dict[str, Any]:
    """Return the options that only a cluster has."""
    return {} if order.scheduler == "threads" else {"tell": tell}


def _store(image: Image, partial: Path) -> Callable[[bool], RegionWriter]:
    """Return what opens the store of the result, a new one or that of the interrupted run."""
    from unblur.io import create_store
    from unblur.io.files import remove

    def opened(again: bool) -> RegionWriter:
        if not again:
            remove(partial)
        return create_store(partial, image, resume=again)

    return opened


def _write_sidecars(result: Result, job: Job, order: Order) -> None:
    from unblur.report import write_sidecars

    write_sidecars(
        job.output,
        job.source,
        result.report,
        result.kernel,
        crop=order.crop,
        axes=order.axes,
        overwrite=order.overwrite,
    )
