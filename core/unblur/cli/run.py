"""`unblur run`: deblur images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unblur.cli.console import (
    FAILED,
    format_error,
    name_file_in_errors,
    print_json,
    print_result,
    print_status,
)
from unblur.cli.options import (
    Axes,
    Crop,
    Device,
    Json,
    Noise,
    Overwrite,
    Psf,
    PsfResample,
    Quiet,
    Seed,
    Settings,
    Tile,
    White,
    Workers,
    crop_box,
    noise_level,
    read_psf,
    settings,
)
from unblur.cli.progress import BatchLog, ProgressBar, duration
from unblur.cli.signals import interruptible
from unblur.errors import Cancelled, OutputError
from unblur.model.confidence import confidence_number
from unblur.old_names import with_old_keys

if TYPE_CHECKING:
    from unblur.engine import Result
    from unblur.runs import FileJob, RunOptions

EXAMPLE = "unblur run photograph photo.jpg -o sharp.png --set kernel.size=31"


@dataclass
class RunSummary:
    """The inputs that were processed, that failed, and that were finished before."""

    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)


def run(
    ctx: typer.Context,
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="Name of a pipeline, or a pipeline file.")
    ],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Images, zarr stores, or glob patterns.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="A file, or a folder.")
    ],
    psf: Psf = None,
    psf_resample: PsfResample = False,
    sets: Settings = None,
    device: Device = "auto",
    seed: Seed = 0,
    noise: Noise = "auto",
    tile: Tile = None,
    crop: Crop = None,
    white: White = None,
    axes: Axes = None,
    overwrite: Overwrite = False,
    scheduler: Annotated[
        str,
        typer.Option(
            "--scheduler",
            metavar="NAME",
            help="threads, local, tcp://HOST:PORT or a file (.json).",
        ),
    ] = "threads",
    workers: Workers = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what is finished, tiles included.")
    ] = False,
    freeze: Annotated[
        bool,
        typer.Option("--freeze", help="Use kernel and iterations of the first image for all."),
    ] = False,
    fill_nonfinite: Annotated[
        bool,
        typer.Option("--fill-nonfinite", help="Fill NaN; keep the input where a tile fails."),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Deblur images with a pipeline.

    Beside OUT.ext it leaves OUT.psf.tif, the kernel used, and OUT.json, the report of the run.
    """
    from unblur.engine import BuiltPipeline
    from unblur.engine.running.schedulers import make_scheduler
    from unblur.model.context import Context, resolve_device
    from unblur.pipeline import Pipeline
    from unblur.runs import RunOptions, SharedFreeze, file_jobs

    began = time.monotonic()
    given = settings(sets) | ({} if tile is None else {"tiles.size": tile})
    kernel = read_psf(psf)
    with name_file_in_errors(pipeline):
        built = BuiltPipeline.of(Pipeline.load(pipeline).override(given), kernel)
    processing = make_scheduler(scheduler, workers, device=device, on_message=print_status)
    into_folder = output.endswith(("/", "\\"))
    jobs = file_jobs(inputs, Path(output), into_folder, [] if psf is None else [Path(psf)])
    summary, log = RunSummary(), BatchLog(len(jobs), quiet)
    with interruptible() as is_cancelled:
        context = Context(
            resolve_device(device), seed, noise_level(noise), is_cancelled=is_cancelled
        )
        options = RunOptions(
            pipeline=built,
            context=context,
            axes=axes,
            crop=None if crop is None else crop_box(crop),
            white=white,
            scheduler=processing,
            workers=workers,
            overwrite=overwrite,
            resume=resume,
            nonfinite="fill" if fill_nonfinite else "keep",
            psf_resample=psf_resample,
            shared_freeze=SharedFreeze() if freeze else None,
            on_message=log.warn,
        )
        try:
            for job in jobs:
                entry = _attempt(job, options, summary, log, ctx.find_root().params["debug"])
                if entry is not None and not (quiet or as_json):
                    print_result(_line(entry))
                log.advance(len(summary.skipped))
        except (Cancelled, KeyboardInterrupt):
            kept = len(summary.done) + len(summary.skipped)
            if kept:
                verb, them = ("is", "it") if kept == 1 else ("are", "them")
                count = f"{kept} of {len(jobs)} inputs {verb} done"
                print_status(f"{count}; --resume keeps {them} and continues.")
            raise
        finally:
            log.close()
            if as_json:
                print_json({**vars(summary), "seconds": round(time.monotonic() - began, 3)})
    if summary.skipped and not quiet:
        print_status(f"{len(summary.skipped)} of {len(jobs)} inputs were done before.")
    if summary.failed:
        if len(jobs) > 1:
            print_status(f"{len(summary.failed)} of {len(jobs)} inputs failed.")
        raise typer.Exit(FAILED)


def _attempt(
    job: FileJob, options: RunOptions, summary: RunSummary, log: BatchLog, debug: bool
) -> dict[str, Any] | None:
    """Process one input and return its entry in the summary, unless it failed or was skipped.

    An error is printed and recorded, and the other inputs are processed.
    """
    from unblur.plugins.faults import exits_as_errors
    from unblur.runs import file, read_report
    from unblur.runs.store import journal_path

    recorded = _recorded(job)
    options.context.checkpoint()
    try:
        if options.resume and job.is_done:
            report = read_report(job.output)
            changed = file.changed_sources(report, job, options)
            if changed:
                verb = "has" if len(changed) == 1 else "have"
                raise OutputError(
                    f"{job.output} is kept, but {' and '.join(changed)} {verb} changed since it "
                    "was made; --overwrite without --resume makes it anew."
                )
            if file.has_other_settings(report, options):
                log.warn(
                    f"{job.output} was made with another pipeline, other params or another seed, "
                    "and is kept; --overwrite makes it anew."
                )
            file.freeze_on(job.source, options)
            summary.skipped.append({"input": str(job.source), "output": str(job.output)})
            return None
        with name_file_in_errors(job.source), ProgressBar(job.source.name, log.quiet) as bar:
            context = options.context.with_(on_progress=bar)
            with exits_as_errors():
                result = file.deblur_file(job, replace(options, context=context))
    except (Cancelled, KeyboardInterrupt):
        if journal_path(job.output).exists():
            _name_resume(job)
        raise
    except Exception as error:
        if debug:
            raise
        _fail(job, summary, format_error(error))
        if _recorded(job) > recorded:
            _name_resume(job)
        return None
    for warning in result.report.warnings:
        if warning not in options.pipeline.pipeline.notes:  # already on stderr
            log.warn(f"{job.source}: {warning}")
    for failure in result.report.failures:
        print_status(f"{job.output}: {failure}")
    if result.report.failures:
        count = len(result.report.failures)
        _fail(job, summary, f"{job.output}: {count} parts could not be made and are left empty.")
        return None
    entry = _entry(job, result)
    summary.done.append(entry)
    return entry


def _name_resume(job: FileJob) -> None:
    """Print how to continue an interrupted run in tiles."""
    print_status(f"{job.output}: finished tiles are kept; --resume continues the run.")


def _recorded(job: FileJob) -> int:
    """Return the size of the record of finished tiles of an unfinished result, in bytes."""
    from unblur.runs.store import journal_path

    record = journal_path(job.output) / "tiles"
    return record.stat().st_size if record.exists() else 0


def _fail(job: FileJob, summary: RunSummary, message: str) -> None:
    print_status(message)
    summary.failed.append({"input": str(job.source), "error": message})


def _entry(job: FileJob, result: Result) -> dict[str, Any]:
    output, kernel, report = map(str, job.outputs)
    entry = {
        "input": str(job.source),
        "output": output,
        "kernel": None if result.kernel is None else kernel,
        "report": report,
        "confidence": result.confidence,
        "choices": {} if result.report.kernel is None else dict(result.report.kernel.choices),
        "kernel_shape": None if result.kernel is None else result.kernel.kernels[0][0].shape,
        "seconds": round(result.report.seconds, 3),
        "warnings": list(result.report.warnings),
    }
    return with_old_keys("run", entry)


def _line(entry: dict[str, Any]) -> str:
    size = entry["kernel_shape"]
    kernel = "" if size is None else f"kernel {'x'.join(map(str, size))}, "
    if entry["confidence"] is not None:
        kernel += f"confidence {confidence_number(entry['confidence'])}, "
    kernel += "".join(f"{name}, " for name in entry["choices"])
    return f"{entry['input']} -> {entry['output']} ({kernel}{duration(entry['seconds'])})"
