"""`unblur plan`: tiles and memory of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unblur.cli.console import (
    name_file_in_errors,
    print_json,
    print_result,
    print_status,
    print_table,
)
from unblur.cli.options import (
    Axes,
    Crop,
    Device,
    Json,
    Psf,
    PsfResample,
    Settings,
    Tile,
    White,
    Workers,
    crop_box,
    read_psf,
    settings,
)
from unblur.cli.progress import duration

if TYPE_CHECKING:
    from unblur.engine import Plan

EXAMPLE = "unblur plan richardson-lucy stack.ome.zarr --psf psf.tif"


def plan(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="Name of a pipeline, or a pipeline file.")
    ],
    image: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="An image, a zarr store, or a pattern, whose first file counts.",
        ),
    ],
    psf: Psf = None,
    psf_resample: PsfResample = False,
    sets: Settings = None,
    device: Device = "auto",
    tile: Tile = None,
    crop: Crop = None,
    white: White = None,
    axes: Axes = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Show how an image would be processed: stages, tiles, halos, memory and time.

    Memory and time are measured by running the stages on small tiles.
    """
    from unblur.engine import plan as planned
    from unblur.io import read_image
    from unblur.io.exif import cropped_as_seen
    from unblur.pipeline import Pipeline
    from unblur.runs.file_jobs import expand_patterns
    from unblur.runs.store import output_chunks

    with name_file_in_errors(pipeline):
        chain = Pipeline.load(pipeline).override(settings(sets))
        chain.build()
    image, *others = expand_patterns([str(image)])
    if others:
        print_status(f"{1 + len(others)} files match; the plan is that of the first, {image}.")
    given = read_image(image, axes=axes, lazy=True)
    if crop is not None:
        given = cropped_as_seen(given, *crop_box(crop))
    if white is not None:
        given = given.with_white(white)
    kernel = read_psf(psf)
    start = time.process_time()  # of loading the program, which a run does likewise
    with name_file_in_errors(image):
        made = planned(
            given,
            chain,
            kernel,
            device=device,
            tile=tile,
            psf_resample=psf_resample,
            workers=workers,
            to_file=True,
            chunk_shape=output_chunks(given, image),
            timed=True,
        )
    shown = {
        "input": str(image),
        "axes": given.axes,
        "shape": list(given.shape),
        "dtype": given.dtype.name,
        **_described(made, start),
    }
    if as_json:
        print_json(shown)
    else:
        _show(shown)


def _described(made: Plan, start: float) -> dict[str, Any]:
    assert made.expected is not None
    seconds = made.expected.seconds
    return {
        "device": made.device,
        "whole": made.whole,
        "way": made.way,
        "tiles": made.tiles,
        "tile_size": list(made.tiling.size),
        "halo": list(made.tiling.halo),
        "workers": made.workers,
        "peak_memory": made.expected.memory,
        "tiles_memory": made.peak,
        "seconds": None if seconds is None else round(seconds, 3),
        "start_seconds": round(start, 3),
        "available_memory": made.available,
        "stages": [
            {
                "name": stage.name,
                "halo": list(stage.halo),
                "bytes_per_pixel": round(stage.per_pixel, 1),
                "fixed_bytes": int(stage.fixed),
            }
            for stage in made.footprint.stages
        ],
        "remarks": list(made.remarks),
    }


def _show(shown: dict[str, Any]) -> None:
    size, halo = (_extent(shown[name]) for name in ("tile_size", "halo"))
    print_result(f"{shown['input']}: {shown['axes']} {_extent(shown['shape'])}, {shown['dtype']}")
    if shown["whole"]:
        print_result(f"whole, on {shown['device']}")
    else:
        recorded = ", recorded as they are finished" if shown["way"] == "streamed" else ""
        print_result(
            f"tiles: {shown['tiles']} of {size} pixels, halo {halo}, {shown['workers']} at once "
            f"on {shown['device']}{recorded}"
        )
    print_result(
        f"peak memory about {shown['peak_memory'] / 1e9:.2f} GB "
        f"of {shown['available_memory'] / 1e9:.2f} GB free"
    )
    if shown["seconds"] is None:
        print_result("time unknown; the kernel step does not end on a small piece\n")
    else:
        print_result(
            f"time about {duration(shown['seconds'])}, after {duration(shown['start_seconds'])} "
            "to start\n"
        )
    rows = [
        [stage["name"], _extent(stage["halo"]), f"{stage['bytes_per_pixel']:g}"]
        for stage in shown["stages"]
    ]
    print_table(["stage", "halo", "bytes per pixel"], rows)
    for remark in shown["remarks"]:
        print_result(f"\n{remark}")


def _extent(numbers: list[int]) -> str:
    return "x".join(map(str, numbers))
