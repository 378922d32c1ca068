"""One image from file to file: whole in memory, or tile by tile if it is large."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unblur.runs.file_jobs import FileJob
from unblur.runs.sidecars import crop_record, write_sidecars
from unblur.runs.sources import file_stamp
from unblur.runs.store import alone, deblur_to_store, journal_path

if TYPE_CHECKING:
    from unblur.engine import BuiltPipeline, DeblurJob, Frozen, Result
    from unblur.engine.intake.normalization import Nonfinite
    from unblur.engine.job import SizeLimits
    from unblur.engine.running.schedulers import Scheduler
    from unblur.engine.tiles.planning import Way
    from unblur.io.lazy_pixels import Lazy
    from unblur.model.context import Context
    from unblur.model.image import Image


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
    pipeline : BuiltPipeline
        The stages, and the kernel where it is known.
    context : Context
        Device, seed, noise, progress, cancellation.
    axes : str, optional
        Axes of the files, where they do not state them.
    crop : (slice, slice), optional
        Rows and columns of the part that is deblurred.
    white : float, optional
        Value at which the sensor clips, in the image's units; that of the file by default.
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
    psf_resample : bool
        As for `unblur.deblur`.
    shared_freeze : SharedFreeze, optional
        Where all images of the run use the settings of the first; by default each has its own.
    limits : SizeLimits, optional
        Sizes at which the way of working changes; those of the engine by default.
    on_message : callable
        Receives sentences about the work for the user.
    """

    pipeline: BuiltPipeline
    context: Context
    axes: str | None = None
    crop: tuple[slice, slice] | None = None
    white: float | None = None
    scheduler: Scheduler | None = None
    workers: int | None = None
    overwrite: bool = False
    resume: bool = False
    nonfinite: Nonfinite = "keep"
    psf_resample: bool = False
    shared_freeze: SharedFreeze | None = None
    limits: SizeLimits | None = None
    on_message: Callable[[str], None] = _ignore

    @cached_property
    def given_kernel(self) -> str | None:
        """Hash of the kernel that the user gave, for `changed_sources`; `None` without one."""
        from unblur.engine.report import hash_field

        field = self.pipeline.field
        return None if field is None else hash_field(field)


def deblur_file(files: FileJob, options: RunOptions) -> Result:
    """Read, deblur and write one image; its kernel and report are written before it.

    Raises
    ------
    UnblurError
        With what is wrong with the input, the output, or both together.
    Cancelled
        If the user requested it. The finished tiles of an image in tiles are kept, so that
        the run can be resumed.
    """
    from unblur.io import check_output
    from unblur.io.files import check_vacant, explained

    in_tiles = options.scheduler is not None or options.resume
    stamp = file_stamp(files.source)
    image = _read(files.source, options, lazy=True if in_tiles else "large")
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
    way = _way(image, files, options)
    if way == "streamed":
        return _deblur_in_tiles(image, files, options, stamp)
    if image.is_lazy:
        image = _read(files.source, options, lazy=False)
    return _deblur_in_memory(image, files, options, way, stamp)


def freeze_on(source: Path, options: RunOptions) -> None:
    """Fix the shared settings on an image that is finished already, if they are not yet."""
    if options.shared_freeze is not None and options.shared_freeze.frozen is None:
        _job(_read(source, options, lazy=True), options)


def has_other_settings(report: Mapping[str, Any], options: RunOptions) -> bool:
    """Return whether the result of a report was made with other steps, params or another seed."""
    steps = options.pipeline.pipeline.model_dump(mode="json", exclude_defaults=True)["steps"]
    made = (report.get("pipeline", {}).get("steps"), report.get("seed"))
    return made != (steps, options.context.seed)


def changed_sources(report: Mapping[str, Any], files: FileJob, options: RunOptions) -> list[str]:
    """Return what has changed since the result of a report: the crop, the input, the kernel.

    An input of the same size and time of change is the same. Any other is read if it was hashed
    whole, and is the same if its values are; else it counts as changed. With another crop the
    input is not compared, since the hash is of the cropped part.
    """
    changed = []
    stamp = report.get("input_stamp")
    if "crop" in report and report["crop"] != crop_record(options.crop):
        changed.append("the crop")
    elif stamp and stamp != file_stamp(files.source) and not _has_values_of(report, files, options):
        changed.append("the input")
    if "given_kernel" in report and report["given_kernel"] != options.given_kernel:
        changed.append("the kernel")
    return changed


def _has_values_of(report: Mapping[str, Any], files: FileJob, options: RunOptions) -> bool:
    from unblur.numerics.value_summary import ValueSummary

    stated = report.get("input", {})
    if stated.get("hashed") != "whole":
        return False
    image = _read(files.source, options, lazy=False)
    return bool(ValueSummary.of(image, [image.data]).sha256 == stated.get("sha256"))


def _read(source: Path, options: RunOptions, *, lazy: Lazy) -> Image:
    from unblur.io import read_image
    from unblur.io.exif import cropped_as_seen

    image = read_image(source, axes=options.axes, lazy=lazy)
    if options.white is not None:
        image = image.with_white(options.white)
    return image if options.crop is None else cropped_as_seen(image, *options.crop)


def _way(image: Image, files: FileJob, options: RunOptions) -> Way:
    """Return how an image is processed: whole, in tiles, or in recorded tiles."""
    from unblur.engine.job import PlanRequest
    from unblur.engine.running.one_image import choose_way

    is_resumed = options.resume and journal_path(files.output).exists()
    request = PlanRequest.of(image, options.pipeline, options.context, _limits(options))
    return choose_way(
        request, to_file=True, is_recorded=options.scheduler is not None or is_resumed
    )


def _limits(options: RunOptions) -> SizeLimits:
    from unblur.engine.job import DEFAULT_LIMITS

    return options.limits or DEFAULT_LIMITS


def _job(image: Image, options: RunOptions) -> DeblurJob:
    """Return the job of an image, with the shared settings if there are any.

    They are fixed on this image if they are not yet.
    """
    from unblur.engine import DeblurJob, freeze

    job = DeblurJob.of(
        image,
        options.pipeline,
        None,
        options.context,
        nonfinite=options.nonfinite,
        psf_resample=options.psf_resample,
        limits=_limits(options),
    )
    shared = options.shared_freeze
    if shared is None:
        return job
    if shared.frozen is None:
        shared.frozen = freeze(job)
    return shared.frozen.applied(job)


def _deblur_in_memory(
    image: Image, files: FileJob, options: RunOptions, way: Way, stamp: list[int]
) -> Result:
    from unblur.engine import run_job
    from unblur.io import write_image

    with alone(files.output):
        result = run_job(_job(image, options), way)
        options.context.checkpoint()
        write_image(
            result.image,
            files.output,
            overwrite=options.overwrite,
            before_publish=lambda: _write_sidecars(result, files, options, stamp),
        )
    return result


def _deblur_in_tiles(image: Image, files: FileJob, options: RunOptions, stamp: list[int]) -> Result:
    return deblur_to_store(
        _job(image, options),
        files.output,
        resume=options.resume,
        overwrite=options.overwrite,
        scheduler=options.scheduler,
        workers=options.workers,
        before_publish=lambda result: _write_sidecars(result, files, options, stamp),
    )


def _write_sidecars(result: Result, files: FileJob, options: RunOptions, stamp: list[int]) -> None:
    """Write the kernel and the report; after an error neither stays that was not there before."""
    made = [path for path in files.outputs[1:] if not path.exists()]
    try:
        _write_both(result, files, options, stamp)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _write_both(result: Result, files: FileJob, options: RunOptions, stamp: list[int]) -> None:
    write_sidecars(
        files.output,
        files.source,
        result.report,
        result.kernel,
        crop=options.crop,
        axes=options.axes,
        stamp=stamp,
        given_kernel=options.given_kernel,
        overwrite=options.overwrite,
    )
