"""Comparisons of tools in one process: each deconvolves the same blurred scene, repeatedly.

The weight of a tool that has one is chosen first, from a list, by the PSNR away from the border on
a small scene of the same blur and noise. The tools then run alternately, and the median time of
each is reported. A tool that is not installed or fails keeps its row, with the reason in place of
figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from provenance import provenance
from unblur.numerics.metrics import psnr
from unblur.testing import SyntheticScene, gaussian, synthetic_scene
from vision import declare_operators

__all__ = ["NOISE", "Tool", "compare_tools", "import_tool", "make_parser", "write_rows"]

NOISE = 0.005
"""Standard deviation of the noise, white = 1."""
TRIAL_EDGE = 128
"""Largest extent of the scene on which weights are chosen, along each axis, pixels."""


@dataclass(frozen=True)
class Tool:
    """A tool: its label, its distribution package, and a function that runs it.

    `run` takes the scene and a weight, None for a tool without one, and returns (1, H, W), or
    (1, Z, H, W) for a stack.
    """

    label: str
    package: str
    run: Callable[[SyntheticScene, float | None], Tensor]
    weights: tuple[float, ...] = ()
    note: str = ""


def import_tool(name: str) -> ModuleType:
    """Import a module of another tool."""
    declare_operators()
    return import_module(name)


def make_parser(about: str, edge: int, repetitions: int) -> argparse.ArgumentParser:
    """Return a parser with the arguments that all comparisons share."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("-o", "--output", type=Path, help="file of the results, JSON")
    parser.add_argument("--edge", type=int, default=edge, help="pixels along each axis")
    parser.add_argument("--kernel", type=int, default=25, help="pixels along each axis")
    parser.add_argument("--depth", type=int, default=0, help="planes of a stack; 0 for an image")
    parser.add_argument("--turns", dest="repetitions", type=int, default=repetitions)
    return parser


def compare_tools(tools: Sequence[Tool], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each tool; times are also given relative to the first."""
    given = blurred_scene(options, options.edge)
    rows = [_first_row(tool, options) for tool in tools]
    runnable = [(tool, row) for tool, row in zip(tools, rows, strict=True) if "why" not in row]
    seconds: dict[str, list[float]] = {tool.label: [] for tool, _ in runnable}
    for _ in range(options.repetitions):
        for tool, row in runnable:
            began = time.perf_counter()
            found = tool.run(given, row["weight"])
            seconds[tool.label].append(time.perf_counter() - began)
            row.update(scores(found, given))
    for tool, row in runnable:
        row["seconds"] = round(statistics.median(seconds[tool.label]), 4)
        row["times unblur's"] = round(row["seconds"] / rows[0]["seconds"], 3)
    return rows


def blurred_scene(options: argparse.Namespace, edge: int, seed: int = 0) -> SyntheticScene:
    """Return a square scene or a stack, blurred by a Gaussian PSF of the same number of axes."""
    depth = (options.depth,) if options.depth else ()
    kernel = gaussian((options.kernel,) * (2 + len(depth)), options.kernel / 8)
    return synthetic_scene((*depth, edge, edge), kernel, noise=NOISE, seed=seed)


def _first_row(tool: Tool, options: argparse.Namespace) -> dict[str, Any]:
    """Return a tool's row with its best weight, or with the reason why it cannot run."""
    row: dict[str, Any] = {"tool": tool.label, "note": tool.note}
    try:
        row["version"] = version(tool.package)
    except PackageNotFoundError:
        return {**row, "why": "not installed"}
    trial = blurred_scene(options, min(options.edge, TRIAL_EDGE), seed=1)
    try:
        tried = [
            (scores(tool.run(trial, weight), trial)["psnr inside"], weight)
            for weight in tool.weights or (None,)
        ]
    except (ImportError, RuntimeError) as error:
        return {**row, "why": f"does not run: {str(error).splitlines()[0]}"}
    row["weight"] = max(tried, key=lambda pair: pair[0])[1]
    return row


def scores(found: Tensor, given: SyntheticScene) -> dict[str, float]:
    """Return the PSNR in dB of the whole result, and of its inside.

    The inside is a kernel's width away from the border, where the results depend on the tools'
    boundary conditions.
    """
    sizes = zip(given.sharp.shape[1:], given.kernel.shape, strict=True)
    margins = [min(size, edge // 3) for edge, size in sizes]
    inner = (..., *(slice(margin, -margin) for margin in margins))
    found = found.float()
    return {
        "psnr": round(psnr(found, given.sharp), 2),
        "psnr inside": round(psnr(found[inner], given.sharp[inner]), 2),
    }


def write_rows(
    title: str, rows: Sequence[dict[str, Any]], remark: str, output: Path | None
) -> None:
    """Print rows with device, date and command, and write them to a file."""
    facts = {
        "title": title,
        **provenance(),
        "remark": remark,
        "rows": list(rows),
    }
    text = json.dumps(facts, indent=1)
    print(text)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
