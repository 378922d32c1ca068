"""Rows of `limits.py` that are races against peers on one scene."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import race_richardson_lucy
from race import compare_tools

MODULES = {"scikit-image": "skimage", "redlionfish": "RedLionfishDeconv"}
"""Module of each peer's package, where it has another name."""
SKIMAGE, LIONFISH = "scikit-image", "RedLionfish, CPU"
PLAIN, DEFAULT = "unblur, plain", "unblur"


def race(
    tools: list[Any], labels: tuple[str, ...], options: argparse.Namespace, **changes: int
) -> dict[str, dict[str, Any]]:
    """Return the rows of some tools by their label, timed alternately on one scene."""
    chosen = [tool for tool in tools if tool.label in labels]
    for tool in chosen:
        if find_spec(MODULES.get(tool.package, tool.package)) is None:
            raise LookupError(f"{tool.label}: not installed")
    sizes = {"depth": 0, "edge": 2048, "kernel": 25, "repetitions": options.repetitions, **changes}
    rows = {row["tool"]: row for row in compare_tools(chosen, argparse.Namespace(**sizes))}
    for row in rows.values():
        if "why" in row:
            raise LookupError(f"{row['tool']}: {row['why']}")
    return rows


@cache
def lucy_race(
    peer: str, iterations: int, repetitions: int, *, edge: int = 2048, kernel: int, depth: int
) -> dict[str, dict[str, Any]]:
    """Race Richardson-Lucy with and without acceleration against a peer, once for both rows."""
    return race(
        race_richardson_lucy.tools(iterations),
        (PLAIN, DEFAULT, peer),
        argparse.Namespace(repetitions=repetitions),
        edge=edge,
        kernel=kernel,
        depth=depth,
    )


def lucy(label: str, peer: str, iterations: int = 30, **changes: int) -> Callable[..., Any]:
    """Return a row of Richardson-Lucy: how many times faster than a peer, PSNR beside it."""

    def measure(options: argparse.Namespace) -> tuple[float, str]:
        sizes = {"edge": 2048, "kernel": 25, "depth": 0, **changes}
        sizes["edge"] = min(sizes["edge"], options.largest)
        rows = lucy_race(peer, iterations, options.repetitions, **sizes)
        own, other = rows[label], rows[peer]
        return other["seconds"] / own["seconds"], quality(own, other)

    return measure


def lucy_to_psnr(iterations: int, **sizes: int) -> Callable[..., Any]:
    """Return a row: how many times faster `unblur` has the peer's PSNR after its iterations.

    The PSNR of the inside, where borders do not matter; the fewest iterations that reach it.
    """

    def measure(options: argparse.Namespace) -> tuple[float, str]:
        peer = lucy_race(LIONFISH, iterations, options.repetitions, **sizes)[LIONFISH]
        once = argparse.Namespace(repetitions=1)
        for count in range(1, 10 * iterations):
            tools = race_richardson_lucy.tools(count)
            own = race(tools, (DEFAULT,), once, **sizes)[DEFAULT]
            if own["psnr inside"] >= peer["psnr inside"]:
                break
        mixed = [tool for tool in tools if tool.label == DEFAULT]
        mixed += [t for t in race_richardson_lucy.tools(iterations) if t.label == LIONFISH]
        rows = race(mixed, (DEFAULT, LIONFISH), options, **sizes)
        own, other = rows[DEFAULT], rows[LIONFISH]
        return other["seconds"] / own["seconds"], f"{count} iterations; {quality(own, other)}"

    return measure


def quality(own: dict[str, Any], other: dict[str, Any]) -> str:
    return (
        f"{own['seconds']:.3f} and {other['seconds']:.3f} s; {own['psnr']:.2f} and "
        f"{other['psnr']:.2f} dB, inside {own['psnr inside']:.2f} and {other['psnr inside']:.2f}"
    )
