"""What is kept under `benchmarks/results` is what the code makes: a sampled row, run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unblur.cli import app

KEPT = Path(__file__).parents[1] / "benchmarks/results/levin-known.json"
PAIR = "im2_kernel5_img"


def scores(file: Path) -> dict[str, dict[str, float]]:
    content = json.loads(file.read_text("utf-8"))
    found = {p["name"]: {r["pair"]: r for r in p["rows"]} for p in content["pipelines"]}
    return {name: rows[PAIR] for name, rows in found.items()}


def test_a_sampled_row_is_found_again(shared, tmp_path):
    kept = scores(KEPT)["wiener"]
    arguments = ["bench", str(shared / "data/levin09"), "wiener", "--only", PAIR]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path), "--name", "again", "-q"])
    assert done.exit_code == 0, done.output
    found = scores(tmp_path / "again.json")["wiener"]
    assert found["psnr"] == pytest.approx(kept["psnr"], abs=0.05)
    assert found["ssim"] == pytest.approx(kept["ssim"], abs=0.001)
