"""The calibration of the confidence of blind results: what is stored is what the weights give."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from unblur_classic.map.search.kernel_confidence import Evidence, confidence_of

ROOT = Path(__file__).parents[1]
MIN_GAIN = 0.5


@pytest.fixture(scope="module")
def stored():
    return json.loads((ROOT / "benchmarks/results/confidence.json").read_text(encoding="utf-8"))


def counts_of(cases):
    low = [confidence_of(Evidence(**case["evidence"])) < 0.5 for case in cases]
    failed = [case["psnr"] < case["blurred"] + MIN_GAIN for case in cases]
    both = sum(a and b for a, b in zip(low, failed, strict=True))
    return {
        "cases": len(cases),
        "below 0.5": sum(low),
        "failed": sum(failed),
        "failed below 0.5": both,
    }


def test_the_stored_counts_are_those_of_the_weights(stored):
    for row in stored["rows"]:
        cases = [
            case
            for case in stored["cases"]
            if case["use"] == row["use"] and row["set"] in ("all", case["set"])
        ]
        assert counts_of(cases) == {key: row[key] for key in counts_of(cases)}


def test_the_page_states_the_counts_of_the_cases_that_nothing_was_chosen_on(stored):
    page = " ".join((ROOT / "docs/operations.md").read_text(encoding="utf-8").split())
    (row,) = [r for r in stored["rows"] if (r["use"], r["set"]) == ("check", "all")]
    low, failed, both = row["below 0.5"], row["failed"], row["failed below 0.5"]
    assert (
        f"On {row['cases']} further cases, on which nothing was chosen, {both} of {low} results "
        f"below 0.5 gained less than 0.5 dB, and {both} of {failed} such results were below 0.5"
    ) in page


def test_the_halves_share_no_scene_and_every_case_has_all_measures(stored):
    names = {field.name for field in fields(Evidence)}
    scenes = {"tune": set(), "report": set()}
    for case in stored["cases"]:
        assert set(case["evidence"]) == names
        scenes[case["half"]].add(
            case["case"].partition("_kernel_" if case["set"] == "lai" else "_")[0]
        )
    assert not scenes["tune"] & scenes["report"]
