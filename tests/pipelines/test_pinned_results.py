"""Results of pipelines with a known kernel stay what they were, bit for bit.

On the machine and with the versions that `pinned_results.json` names, hashes have to be equal.
Elsewhere a result whose hash differs has to agree in mean, standard deviation and block means. A
change that is meant is pinned anew by `python tests/pipelines/pin_results.py` (see there).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pin_results
import pytest
from pinned_cases import CASES
from test_blind_pipelines import BLIND

from unblur import registry

STORED = json.loads(pin_results.STORE.read_text())
RESULTS = STORED["results"]
SAME_MACHINE = STORED["machine"] == pin_results.machine()

TOLERANCE = 1e-3
"""Largest difference of a mean on another machine, in standard deviations of the pinned result.

With instructions of SSE2 in place of AVX2 it was 2e-5.
"""


@pytest.fixture(scope="session")
def compute() -> Iterator[Any]:
    """What returns the result of a case, from one process for all of them."""
    process = pin_results.worker()
    yield lambda name: pin_results.ask(process, name)
    process.stdin.close()
    process.wait()


def test_every_shipped_pipeline_with_a_known_kernel_is_pinned_on_three_images():
    known = registry().pipelines.keys() - BLIND.keys()
    assert len(known) >= 6
    for name in known:
        assert len({case.image for case in CASES.values() if case.pipeline == name}) >= 3, name


def test_every_case_is_pinned():
    assert list(RESULTS) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_result_is_as_pinned(name, compute):
    pinned, found = RESULTS[name], compute(name)
    parts = pin_results.differing(pinned, found)
    if not parts:
        return
    changes = "; ".join(f"{part} differs: {difference(pinned, found, part)}" for part in parts)
    if SAME_MACHINE:
        same = [part for part in ("image", "kernel") if part not in parts]
        pytest.fail(f"{name}: {changes}; equal: {', '.join(same) or 'nothing'}", pytrace=False)
    if any(deviation(pinned, found, part) > TOLERANCE for part in parts):
        pytest.fail(f"{name}, on another machine: {changes}; at most {TOLERANCE}", pytrace=False)


def deviation(pinned: dict[str, Any], found: dict[str, Any], part: str) -> float:
    """Return the largest difference of a mean, in standard deviations, or infinity."""
    before, after = pinned.get(part), found.get(part)
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return float("inf")
    if any(before[key] != after[key] for key in ("dtype", "shape")):
        return float("inf")
    old, new = values(before), values(after)
    if [v is None for v in old] != [v is None for v in new]:
        return float("inf")
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if a is not None]
    scale = max(before["summary"]["std"], 1e-12)
    return max((abs(a - b) / scale for a, b in pairs), default=0.0)


def values(part: dict[str, Any]) -> list[float | None]:
    """Return the numbers of a summary."""
    summary = part["summary"]
    return [summary["mean"], summary["std"], *summary["blocks"]]


def difference(pinned: dict[str, Any], found: dict[str, Any], part: str) -> str:
    """Return in words how a part of two results differs."""
    before, after = pinned.get(part), found.get(part)
    if isinstance(before, dict) and isinstance(after, dict):
        if any(before[key] != after[key] for key in ("dtype", "shape")):
            return " instead of ".join(f"{p['dtype']} {p['shape']}" for p in (after, before))
        return f"means by up to {deviation(pinned, found, part):.2g} standard deviations"
    return f"{after if part == 'error' else bool(after)} instead of " + (
        f"{before if part == 'error' else bool(before)}"
    )
