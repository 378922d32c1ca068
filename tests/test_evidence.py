"""The pages of evidence and of the comparison are made from the result files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_of_evidence_shows_the_stored_results(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    for name in ("evidence", "paper_figures", "result_tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from evidence import evidence

    folder = ROOT / "benchmarks/results"
    stored = json.loads((folder / "levin-blind.json").read_text("utf-8"))
    (mean,) = [p["mean"] for p in stored["pipelines"] if p["name"] == "map-hyper-laplacian"]
    page = evidence(folder)
    assert f"{mean['psnr']:.2f}" in page
    assert stored["command"] in page
    assert "not measured yet" in evidence(tmp_path)


def test_the_comparison_shows_every_tool_that_was_raced(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    for name in ("comparison", "result_tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from comparison import RACES, comparison

    folder = ROOT / "benchmarks/results"
    page = comparison(folder)
    for name, _ in RACES:
        stored = json.loads((folder / f"{name}.json").read_text("utf-8"))
        assert stored["command"] in page
        assert all(f"| {row['tool']} |" in page for row in stored["rows"])
