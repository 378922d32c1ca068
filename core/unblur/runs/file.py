"""One image from file to file: whole in memory, or tile by tile if it is large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from unblur.runs.batch import FileJob
from unblur.runs.sidecars import write_sidecars
from unblur.runs.store import deblur_to_store, journal_path

if TYPE_CHECKING:
    from unblur.engine import Result
    from unblur.engine.intake.masking import NonfinitePolicy
    from unblur.engine.job import DeblurJob
    from unblur.engine.running.freeze import Frozen
    from unblur.engine.running.schedulers import Scheduler
    from unblur.model.context import Context
    from unblur.model.image import Image
    from unblur.model.kernel import KernelField
    from unblur.pipeline import Pipeline

STREAMED_VALUES = 2**26
"""Number of values of an image above which it is processed in recorded tiles, so that a crash
costs a few tiles only, dimensionless."""


def _ignore(_: str) -> None: ...


@dataclass
class SharedFreeze:
    """Settings that the first readable image fixes for all images of a run.

    Attributes
    ----------
    frozen : Frozen, optional
        Those settings, once there are any.
    """

    frozen: Frozen | None = None


@dataclass(frozen=True)
class RunOptions:
    """Settings that hold for every image of a run; see the options of `unblur run`.

    Parameters
    ----------
    pipeline : Pipeline
        With every override applied.
    psf : KernelField, optional
        The kernel, where it is known.
    context : Context
        Device, seed, noise, progress, cancellation.
    axes : str, optional
        Axes of the files, where they do not state them.
    crop : (slice, slice), optional
        Rows and columns of the part that is deblurred.
    scheduler : Scheduler, optional
        Where tiles are processed; by default in threads of this process. With one, every image
        is processed in tiles.
    workers : int, optional
        Tiles at a time in threads.
    overwrite : bool
        Whether existing files are replaced.
    resume : bool
        Whether interrupted runs are continued.
    nonfinite : {"keep", "fill"}
        As for `unblur.deblur`.
    shared_freeze : SharedFreeze, optional
        Where all images of the run use the settings of the first; by default each has its own.
    streamed_values : int
        Number of values of an image above which it is processed in recorded tiles.
    on_message : callable
        Receives sentences about the work for the user.
    """

    pipeline: Pipeline
    psf: KernelField | None
    context: Context
    axes: str | None = None
    crop: tuple[slice, slice] | None = None
    scheduler: Scheduler | None = None
    workers: int | None = None
    overwrite: bool = False
    resume: bool = False
    nonfinite: NonfinitePolicy = "keep"
    shared_freeze: SharedFreeze | None = None
    streamed_values: int = STREAMED_VALUES
    on_message: Callable[[str], None] = _ignore


def deblur_file(files: FileJob, options: RunOptions) -> Result:
    """Read, deblur and write one image; its kernel and report are written before it.

    Raises
    ------
    UnblurError
        With what is wrong with the input, the output, or both together.
    Cancelled
        If the user asked to stop. The finished tiles of an image in tiles are kept, so that
        the run can be resumed.
    """
    from unblur.io import check_output
    from unblur.io.files import check_vacant, explained

    image = _read(files.source, options, lazy=True)
    if files.makes_folder:
        with explained(files.output.parent):
            files.output.parent.mkdir(parents=True, exist_ok=True)
    writer = check_output(image, files.output, overwrite=options.overwrite)
    if writer.lossy:
        options.on_message(
            f"{files.output}: {writer.name} alters values a little; .png or .tif keep them."
        )
    for sidecar in files.outputs[1:]:
        check_vacant(sidecar, options.overwrite)
    if _is_streamed(image, files, options):
        return _deblur_in_tiles(image, files, options)
    return _deblur_whole(_read(files.source, options, lazy=False), files, options)


def freeze_on(source: Path, options: RunOptions) -> None:
    """Fix the shared settings on an image that is finished already, if they are still open."""
    if options.shared_freeze is not None and options.shared_freeze.frozen is None:
        _frozen(_read(source, options, lazy=True), options)


def _read(source: Path, options: RunOptions, *, lazy: bool) -> Image:
    from unblur.io import read_image

    image = read_image(source, axes=options.axes, lazy=lazy)
    return image if options.crop is None else image.cropped(*options.crop)


def _is_streamed(image: Image, files: FileJob, options: RunOptions) -> bool:
    """Return whether an image is processed in recorded tiles."""
    if options.scheduler is not None:
        return True
    if options.resume and journal_path(files.output).exists():
        return True
    tileable = any(step.kind == "deconvolve" for step in options.pipeline.steps)
    return tileable and prod(image.shape) > options.streamed_values


def _job(image: Image, options: RunOptions) -> DeblurJob:
    from unblur.engine.job import DeblurJob

    return DeblurJob.of(
        image, options.pipeline, options.psf, options.context, nonfinite=options.nonfinite
    )


def _frozen(image: Image, options: RunOptions) -> Frozen | None:
    """Return the settings for all images, fixed on this one if on none before it."""
    from unblur.engine.running.freeze import freeze

    shared = options.shared_freeze
    if shared is None:
        return None
    if shared.frozen is None:
        shared.frozen = freeze(_job(image, options))
    return shared.frozen


def _deblur_whole(image: Image, files: FileJob, options: RunOptions) -> Result:
    from unblur.engine import deblur
    from unblur.io import write_image

    context = options.context
    result = deblur(
        image,
        options.pipeline,
        options.psf,
        device=context.device,
        seed=context.seed,
        noise=context.noise,
        nonfinite=options.nonfinite,
        frozen=_frozen(image, options),
        on_progress=context.on_progress,
        is_cancelled=context.is_cancelled,
    )
    context.checkpoint()
    _write_sidecars(result, files, options)
    write_image(result.image, files.output, overwrite=options.overwrite)
    return result


def _deblur_in_tiles(image: Image, files: FileJob, options: RunOptions) -> Result:
    job, frozen = _job(image, options), _frozen(image, options)
    if frozen is not None:
        job = frozen.applied(job)
    return deblur_to_store(
        job,
        files.output,
        resume=options.resume,
        overwrite=options.overwrite,
        scheduler=options.scheduler,
        workers=options.workers,
        before_publish=lambda result: _write_sidecars(result, files, options),
    )


def _write_sidecars(result: Result, files: FileJob, options: RunOptions) -> None:
    write_sidecars(
        files.output,
        files.source,
        result.report,
        result.kernel,
        crop=options.crop,
        axes=options.axes,
        overwrite=options.overwrite,
    )
