"""The page of evidence shows what the result files hold, and says what is missing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def evidence(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    for name in ("evidence", "paper_figures", "result_tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import evidence

    return evidence.evidence


def write(folder: Path, name: str, content: object) -> None:
    (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")


def test_without_any_result_every_figure_of_ours_is_missing(evidence, tmp_path):
    page = evidence(tmp_path)
    assert "31.89 / 0.8973" in page
    assert "| not measured yet | not measured yet |" in page
    assert "Not measured yet (`race-tv.json`)." in page
    assert "Measured:" not in page


@pytest.mark.parametrize("name", ["svmap-bsd", "svmap_bsd"])
def test_figures_stand_in_the_row_of_their_noise(evidence, tmp_path, name):
    rows = [
        {"noise": noise, "method": "svmap", "psnr": psnr, "ssim": 0.5}
        for noise, psnr in (("1 %", 30.125), ("5 %", 25.5))
    ]
    write(tmp_path, name, rows)
    lines = evidence(tmp_path).splitlines()
    (one,) = [line for line in lines if line.startswith("| BSD | 1 % |")]
    assert "| 31.89 / 0.8973 | 30.12 / 0.5000 | not measured yet |" in one
    (other,) = [line for line in lines if line.startswith("| Sun") and "34.51" in line]
    assert "| not measured | not measured |" in other


def test_a_race_shows_its_figures_and_why_a_tool_has_none(evidence, tmp_path):
    rows = [
        {"tool": "unblur", "psnr": 26.5, "seconds": 1.25, "note": ""},
        {"tool": "absent", "why": "not installed", "note": ""},
    ]
    facts = {"device": "one core", "date": "2030-01-01", "command": "python race.py", "seed": 3}
    write(tmp_path, "race-tv", {**facts, "remark": "Small.", "rows": rows})
    page = evidence(tmp_path)
    assert "| unblur | 26.5 | 1.25 |  |" in page
    assert "| absent |  |  | not installed |" in page
    assert (
        "`benchmarks/results/race-tv.json`: one core, 2030-01-01, seed 3, by `python race.py`"
        in page
    )


def test_estimators_by_networks_are_averaged(evidence, tmp_path):
    rows = [
        {
            "case": f"im{number}",
            "isnr": float(number),
            "own": {"psnr": 30.0 + number, "ssim": 0.9},
            "error ratio": 1.5,
            "seconds": 10.0,
        }
        for number in (1, 2)
    ]
    write(tmp_path, "kotera_levin", rows)
    page = evidence(tmp_path)
    assert "| **`kotera`, as published** | 31.50 | 0.9000 | 1.500 | 10 s | 2 |" in page
    assert "| 8.23 ± 1.21 dB | 1.50 dB, 2 runs |" in page


def test_it_agrees_with_the_results_that_are_kept(evidence):
    folder = ROOT / "benchmarks/results"
    page = evidence(folder)
    kept = json.loads((folder / "levin-blind.json").read_text("utf-8"))
    (mean,) = [p["mean"] for p in kept["pipelines"] if p["name"] == "map-hyper-laplacian"]
    (line,) = re.findall(r"\| \*\*`map-hyper-laplacian`.*", page)
    assert f"| {mean['psnr']:.2f} | {mean['ssim']:.4f} | {mean['ratio']:.3f} |" in line
    assert kept["command"] in page


def test_means_that_bench_wrote_become_rows(evidence, tmp_path):
    mean = {"psnr": 34.5, "ssim": 0.95, "seconds": 2.0, "ratio": None}
    write(tmp_path, "svmap-levin", {"pipelines": [{"name": "svmap", "mean": mean}]})
    write(tmp_path, "text-pages", {"rows": [{"pipeline": "text", "psnr": 27.25}]})
    page = evidence(tmp_path)
    assert "| svmap | 34.5 | 0.95 | 2 |" in page
    assert "| text | 27.25 |" in page
    (tmp_path / "text-pages.json").unlink()
    write(tmp_path, "discriminative_text", {"pages": 2, "psnr": {"text": 27.5}})
    assert "| pages | psnr, text |" in evidence(tmp_path)
