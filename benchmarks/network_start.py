"""PSNR over iterations of the estimators by networks, with and without an initial kernel.

    OMP_NUM_THREADS=1 python benchmarks/network_start.py ../shared/data

`selfdeblur` and `kotera`, preset `fast`, on four of Levin's pairs: from random weights, and from
the kernel of `map`, whose time is counted. The table compares the image of the networks, by
Levin's protocol: the iterations and processor seconds without an initial kernel, and with one
until the same PSNR is reached and at the end. `--iterations` replaces those of the preset.

Rows are those of `selfdeblur_table.py`. Each is written when it is done, and stored rows are not
computed again; `--methods`, `--initial` and `--pairs` restrict which are. Those of `kotera` from
random weights are the stored ones of `python benchmarks/run.py kotera-levin-fast`, where there are
any.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from selfdeblur_table import levin, row
from unblur_selfdeblur.dip_params import FAST_ITERATIONS, DipParams

PAIRS = ("im1_kernel5", "im2_kernel3", "im3_kernel2", "im4_kernel1")
METHODS = ("selfdeblur", "kotera")
INITIAL = ("none", "map")
EVERY = {"none": 100, "map": 25}
"""Number of iterations between two scored previews."""
CURVE = "curve of iteration, seconds, cpu seconds, psnr"
RESULTS = Path(__file__).with_name("results")

Row = Mapping[str, Any]


def identity(entry: Row) -> tuple[str, str, str, int]:
    """Return pair, method, initial estimator and iterations at full size of a row."""
    initial = entry.get("initial_estimator", "none")
    return entry["case"], entry["method"], initial, entry.get("iterations", FAST_ITERATIONS)


def stored(path: Path) -> list[Row]:
    """Return the rows of a file, none if there is no such file."""
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def reaches(entry: Row, psnr: float) -> tuple[float, float] | None:
    """Return iterations and processor seconds at the first preview of at least `psnr`, in dB."""
    for iterations, _, seconds, found in entry[CURVE]:
        if found >= psnr:
            return iterations, seconds
    return None


def table(rows: Iterable[Row]) -> str:
    """Return the comparison as Markdown, a line for each row with an initial kernel."""
    ordered = sorted(rows, key=lambda entry: (entry["method"], identity(entry)))
    without = {identity(e)[:2]: e for e in ordered if identity(e)[2] == "none"}
    lines = [
        "| method | pair | without: dB | iterations | seconds | with, same dB: iterations "
        "| seconds | times faster | with, at the end: dB | iterations | seconds |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for given in ordered:
        pair, method, initial, _ = identity(given)
        if initial == "none":
            continue
        start, reached = ["not measured", "", ""], ["", "", ""]
        if (pair, method) in without:
            start = summary_of(without[pair, method])
            same = reaches(given, without[pair, method]["own"]["psnr"])
            reached = ["not reached", "", ""]
            if same is not None:
                faster = without[pair, method]["cpu seconds"] / same[1]
                reached = [f"{same[0]}", f"{same[1]:.0f}", f"{faster:.1f}"]
        cells = [f"`{method}`", pair, *start, *reached, *summary_of(given)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def summary_of(entry: Row) -> list[str]:
    """Return PSNR, iterations and processor seconds of a row at its end."""
    iterations = entry[CURVE][-1][0]
    return [f"{entry['own']['psnr']:.2f}", f"{iterations}", f"{entry['cpu seconds']:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--initial", nargs="+", choices=INITIAL, default=INITIAL)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--iterations", type=int, help="at full size")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "network-start.json")
    options = parser.parse_args()
    rows, known = stored(options.output), stored(RESULTS / "kotera_levin_fast.json")
    cases = {case.name: case for case in levin(options.data)}
    for initial, method, pair in product(options.initial, options.methods, options.pairs):
        params = DipParams(preset="fast", initial_estimator=initial)
        iterations = options.iterations or params.full_iterations
        if any(identity(entry) == (pair, method, initial, iterations) for entry in [*rows, *known]):
            continue
        settings = argparse.Namespace(
            method=method,
            preset="fast",
            size="authors",
            restarts=1,
            crop=0,
            initial_estimator=initial,
            iterations=iterations,
            every=EVERY[initial],
        )
        rows.append(row(cases[pair], settings, 0, "cpu"))
        temporary = options.output.with_suffix(".part")
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        temporary.replace(options.output)
        options.output.with_suffix(".md").write_text(table([*known, *rows]), encoding="utf-8")
        print(pair, method, initial, round(rows[-1]["own"]["psnr"], 2), flush=True)
    print(table([*known, *rows]))


if __name__ == "__main__":
    main()
