"""Races in one process: every tool deconvolves the same blurred scene, turn by turn.

A tool that has a weight first tries a list of weights on a small scene of the same blur and
noise, and races with the one that serves it best inside, away from the border. Then the tools
take turns and the median of each one's times counts. A tool that is not there, or cannot be
imported, keeps its row, with the reason in place of figures.
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

__all__ = ["NOISE", "Racer", "arguments", "keep", "peer", "race"]

NOISE = 0.005
TRIAL_EDGE = 128
"""Pixels along each axis of the scene on which weights are tried."""


@dataclass(frozen=True)
class Racer:
    """A tool: its label, the distribution it comes in, and how to run it.

    `run` takes the scene and a weight, None for a tool without one, and returns (1, H, W), or
    (1, Z, H, W) of a stack.
    """

    tool: str
    package: str
    run: Callable[[SyntheticScene, float | None], Tensor]
    weights: tuple[float, ...] = ()
    note: str = ""


def peer(name: str) -> ModuleType:
    """Import a module of another tool."""
    declare_operators()
    return import_module(name)


def arguments(about: str, edge: int, turns: int) -> argparse.ArgumentParser:
    """Return the arguments that all races share."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("-o", "--output", type=Path, help="file for what was found, JSON")
    parser.add_argument("--edge", type=int, default=edge, help="pixels along each axis")
    parser.add_argument("--kernel", type=int, default=25, help="pixels along each axis")
    parser.add_argument("--depth", type=int, default=0, help="planes of a stack; 0 for an image")
    parser.add_argument("--turns", type=int, default=turns)
    return parser


def race(racers: Sequence[Racer], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each tool, the first of which is the one to compare with."""
    given = blurred_scene(options, options.edge)
    rows = [_entered(racer, options) for racer in racers]
    there = [(racer, row) for racer, row in zip(racers, rows, strict=True) if "why" not in row]
    seconds: dict[str, list[float]] = {racer.tool: [] for racer, _ in there}
    for _ in range(options.turns):
        for racer, row in there:
            began = time.perf_counter()
            found = racer.run(given, row["weight"])
            seconds[racer.tool].append(time.perf_counter() - began)
            row.update(scores(found, given))
    for racer, row in there:
        row["seconds"] = round(statistics.median(seconds[racer.tool]), 4)
        row["times unblur's"] = round(row["seconds"] / rows[0]["seconds"], 3)
    return rows


def blurred_scene(options: argparse.Namespace, edge: int, seed: int = 0) -> SyntheticScene:
    """Return a square scene, or a stack of them, blurred by a Gaussian PSF of as many axes."""
    depth = (options.depth,) if options.depth else ()
    kernel = gaussian((options.kernel,) * (2 + len(depth)), options.kernel / 8)
    return synthetic_scene((*depth, edge, edge), kernel, noise=NOISE, seed=seed)


def _entered(racer: Racer, options: argparse.Namespace) -> dict[str, Any]:
    """Return a racer's row with its best weight, or with why it does not race."""
    row: dict[str, Any] = {"tool": racer.tool, "note": racer.note}
    try:
        row["version"] = version(racer.package)
    except PackageNotFoundError:
        return {**row, "why": "not installed"}
    trial = blurred_scene(options, min(options.edge, TRIAL_EDGE), seed=1)
    try:
        tried = [
            (scores(racer.run(trial, weight), trial)["psnr inside"], weight)
            for weight in racer.weights or (None,)
        ]
    except (ImportError, RuntimeError) as error:
        return {**row, "why": f"does not run: {str(error).splitlines()[0]}"}
    row["weight"] = max(tried, key=lambda pair: pair[0])[1]
    return row


def scores(found: Tensor, given: SyntheticScene) -> dict[str, float]:
    """Return the PSNR in dB of the whole result, and of its inside.

    The inside begins a kernel's width from the border, where tools differ in what they assume
    of the scene beyond it.
    """
    sizes = zip(given.sharp.shape[1:], given.kernel.shape, strict=True)
    margins = [min(size, edge // 3) for edge, size in sizes]
    inner = (..., *(slice(margin, -margin) for margin in margins))
    found = found.float()
    return {
        "psnr": round(psnr(found, given.sharp), 2),
        "psnr inside": round(psnr(found[inner], given.sharp[inner]), 2),
    }


def keep(title: str, rows: Sequence[dict[str, Any]], remark: str, output: Path | None) -> None:
    """Print rows with where, when and how they were measured, and write them to a file."""
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
