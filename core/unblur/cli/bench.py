"""`unblur bench`: comparison of pipelines on images with known truth."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unblur.cli.console import name_file_in_errors, print_json, print_result, print_table
from unblur.cli.options import Device, Json, Quiet, Seed, Settings, settings
from unblur.cli.progress import ProgressBar
from unblur.cli.signals import interruptible
from unblur.errors import UsageError

if TYPE_CHECKING:
    from unblur.bench import ContactSheet, Method, PairSet, Results, Row
    from unblur.model.context import Context

EXAMPLE = "unblur bench levin09 hyper-laplacian map-hyper-laplacian -o benchmarks/results"


def bench(
    folder: Annotated[
        Path, typer.Argument(metavar="SET", help="A folder of pairs, or a set file (.yaml).")
    ],
    pipelines: Annotated[
        list[str], typer.Argument(metavar="PIPELINE", help="Names of pipelines, or files.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for JSON, table and picture."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of those files; default: the set's.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="PATTERN", help="Pairs with a matching name, e.g. im1_*"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Largest number of pairs, evenly spread.")
    ] = None,
    sets: Settings = None,
    reference: Annotated[
        str,
        typer.Option(
            "--reference",
            metavar="PIPELINE",
            help="Pipeline with the true kernel for the error ratio of joint methods.",
        ),
    ] = "hyper-laplacian",
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Parallel processes; 0: run in this process.")
    ] = 1,
    resolution: Annotated[
        bool,
        typer.Option(
            "--resolution", help="Restore each image twice more to measure its resolution."
        ),
    ] = False,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare pipelines on images with known truth: PSNR, SSIM, error ratio, time, memory.

    SET contains the folders blurred, sharp and optionally kernels, whose files are matched by
    name. A pipeline that does not estimate the kernel gets the true one.
    """
    from unblur.bench import ContactSheet, Results, evenly_spread, load_set, run_benchmark
    from unblur.model.context import Context, resolve_device

    pairs = load_set(folder).subset(only, limit)
    target = resolve_device(device)
    methods = _methods(pipelines, settings(sets), reference, target, seed)
    methods = [replace(method, measures_resolution=resolution) for method in methods]
    _check_kernels(pairs, methods)
    contact_sheet = ContactSheet(evenly_spread([pair.name for pair in pairs.pairs]))
    with interruptible() as is_cancelled, ProgressBar("bench", quiet) as bar:
        blurred = _score_blurred(
            pairs, contact_sheet, Context(on_progress=bar, is_cancelled=is_cancelled)
        )
        rows = run_benchmark(
            methods,
            pairs,
            workers=workers,
            on_progress=bar,
            is_cancelled=is_cancelled,
            on_result=lambda method, pair, image: contact_sheet.add(method.name, pair.name, image),
        )
    results = Results(pairs, blurred, methods, rows, target, _command(), workers)
    if as_json:
        print_json(results.as_json())
    elif not quiet:
        print_table(results.headings, results.lines(), f"{pairs.name}: {len(pairs.pairs)} pairs")
    if output is not None:
        written = _write(results, contact_sheet, output, name or pairs.name)
        if not (quiet or as_json):
            print_result("\n" + "\n".join(map(str, written)))


def _methods(
    names: list[str], sets: dict[str, object], reference: str, device: str, seed: int
) -> list[Method]:
    from unblur.bench import Method
    from unblur.pipeline import Pipeline

    methods = []
    for given in names:
        with name_file_in_errors(given):
            pipeline = Pipeline.load(given).override(sets)
            pipeline.build()
        joint = all(step.kind != "deconvolve" for step in pipeline.steps)
        substitute = Pipeline.load(reference) if joint else None
        methods.append(Method(Path(given).stem, pipeline, device, seed, substitute))
    labels = [method.name for method in methods]
    if len(set(labels)) < len(labels):
        raise UsageError(f"pipelines in a benchmark have distinct names, got {', '.join(labels)}.")
    return methods


def _check_kernels(pairs: PairSet, methods: list[Method]) -> None:
    method = next((method.name for method in methods if method.pipeline.needs_psf), None)
    pair = next((pair.name for pair in pairs.pairs if pair.kernel is None), None)
    if method and pair:
        raise UsageError(f"{method} needs the kernel, but {pair} in {pairs.folder} has none.")


def _score_blurred(pairs: PairSet, contact_sheet: ContactSheet, context: Context) -> list[Row]:
    """Score the blurred images themselves, and add them and the truth to the contact sheet."""
    from unblur.bench import Row, score
    from unblur.io import read_image

    rows = []
    for pair in context.track(pairs.pairs, "blurred"):
        image, truth = read_image(pair.blurred), read_image(pair.sharp)
        with name_file_in_errors(pair.blurred):
            found = score(image, truth, pairs.protocol)
        rows.append(Row(pair.name, found, 0.0))
        contact_sheet.add("blurred", pair.name, image, f"{pair.name}, {found.psnr:.2f} dB")
        contact_sheet.add("sharp", pair.name, truth)
    return rows


def _write(results: Results, contact_sheet: ContactSheet, folder: Path, name: str) -> list[Path]:
    """Write JSON, table and picture, and return their paths."""
    from unblur.bench import write_results
    from unblur.io.files import written_whole

    written = write_results(results, folder, name)
    for method, rows in results.table.items():
        for row in rows:
            contact_sheet.caption(method, row.pair, f"{row.score.psnr:.2f} dB")
    path = folder / f"{name}.png"
    with written_whole(path, overwrite=True) as draft:
        contact_sheet.draw(["blurred", *results.table, "sharp"]).save(draft, optimize=True)
    return [*written, path]


def _command() -> str:
    return shlex.join(["unblur", *sys.argv[1:]])
