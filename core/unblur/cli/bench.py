"""`unblur bench`: pipelines compared on images whose truth is known."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unblur.cli.console import about, say, say_json, table
from unblur.cli.options import Device, Json, Quiet, Seed, Settings, settings
from unblur.cli.progress import ProgressBar
from unblur.cli.signals import interruptible
from unblur.errors import UsageError

if TYPE_CHECKING:
    from unblur.bench import Album, Entrant, PairSet, Results, Row
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
        typer.Option("--output", "-o", metavar="FOLDER", help="Write JSON, table, picture there."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of those files; the set's if left out.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="PATTERN", help="Pairs of that name, e.g. im1_*")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most that many pairs, evenly spread.")
    ] = None,
    sets: Settings = None,
    reference: Annotated[
        str,
        typer.Option(
            "--reference", metavar="PIPELINE", help="Unit of the error ratio of joint methods."
        ),
    ] = "hyper-laplacian",
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes at once; 0: in this one.")
    ] = 1,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare pipelines on images whose truth is known: PSNR, SSIM, error ratio, time, memory.

    SET holds the folders blurred, sharp and perhaps kernels, whose files go together by name.
    A pipeline that does not estimate the kernel is given the true one.
    """
    from unblur.bench import HEADINGS, Album, Results, chosen, load_set, race
    from unblur.model.context import Context, resolve_device

    pairs = load_set(folder).narrowed(only, limit)
    place = resolve_device(device)
    entrants = _entrants(pipelines, settings(sets), reference, place, seed)
    _check_kernels(pairs, entrants)
    album = Album(chosen([pair.name for pair in pairs.pairs]))
    with interruptible() as is_cancelled, ProgressBar("bench", quiet) as bar:
        blurred = _floor(pairs, album, Context(on_progress=bar, is_cancelled=is_cancelled))
        rows = race(
            entrants,
            pairs,
            workers=workers,
            on_progress=bar,
            is_cancelled=is_cancelled,
            on_result=lambda entrant, pair, image: album.keep(entrant.name, pair.name, image),
        )
    results = Results(pairs, blurred, entrants, rows, place, _command(), workers)
    if as_json:
        say_json(results.as_json())
    elif not quiet:
        table(HEADINGS, results.lines(), f"{pairs.name}: {len(pairs.pairs)} pairs")
    if output is not None:
        written = _write(results, album, output, name or pairs.name)
        if not (quiet or as_json):
            say("\n" + "\n".join(map(str, written)))


def _entrants(
    names: list[str], sets: dict[str, object], reference: str, device: str, seed: int
) -> list[Entrant]:
    from unblur.bench import Entrant
    from unblur.pipeline import Pipeline

    entrants = []
    for given in names:
        with about(given):
            pipeline = Pipeline.load(given).override(sets)
            pipeline.build()
        joint = all(step.kind != "deconvolve" for step in pipeline.steps)
        yardstick = Pipeline.load(reference) if joint else None
        entrants.append(Entrant(Path(given).stem, pipeline, device, seed, yardstick))
    labels = [entrant.name for entrant in entrants]
    if len(set(labels)) < len(labels):
        raise UsageError(f"pipelines in a race have distinct names, got {', '.join(labels)}.")
    return entrants


def _check_kernels(pairs: PairSet, entrants: list[Entrant]) -> None:
    needy = next((entrant.name for entrant in entrants if entrant.pipeline.needs_psf), None)
    bare = next((pair.name for pair in pairs.pairs if pair.kernel is None), None)
    if needy and bare:
        raise UsageError(f"{needy} needs the kernel, but {bare} in {pairs.folder} has none.")


def _floor(pairs: PairSet, album: Album, context: Context) -> list[Row]:
    """Score the blurred images themselves, and keep them and the truth for the picture."""
    from unblur.bench import Row, score
    from unblur.io import read_image

    rows = []
    for pair in context.track(pairs.pairs, "blurred"):
        image, truth = read_image(pair.blurred), read_image(pair.sharp)
        with about(pair.blurred):
            found = score(image, truth, pairs.protocol)
        rows.append(Row(pair.name, found, 0.0))
        album.keep("blurred", pair.name, image, f"{pair.name}, {found.psnr:.2f} dB")
        album.keep("sharp", pair.name, truth)
    return rows


def _write(results: Results, album: Album, folder: Path, name: str) -> list[Path]:
    """Write JSON, table and picture, and return their paths."""
    from unblur.bench import write_results
    from unblur.io.files import written_whole

    written = write_results(results, folder, name)
    for entrant, rows in results.table.items():
        for row in rows:
            album.caption(entrant, row.pair, f"{row.score.psnr:.2f} dB")
    path = folder / f"{name}.png"
    with written_whole(path, overwrite=True) as draft:
        album.sheet(["blurred", *results.table, "sharp"]).save(draft, optimize=True)
    return [*written, path]


def _command() -> str:
    return shlex.join(["unblur", *sys.argv[1:]])
