"""The run on a GPU, rehearsed on the CPU: phases within their time, results after each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

pytestmark = pytest.mark.needs_torch
GPU = Path(__file__).parents[3] / "benchmarks/gpu"


@pytest.fixture
def gpu(monkeypatch):
    """Make the scripts of the folder importable."""
    monkeypatch.syspath_prepend(GPU.parent)
    monkeypatch.syspath_prepend(GPU)
    yield
    for name in ("gpu_run", "gpu_timing", "gpu_training", "provenance"):
        sys.modules.pop(name, None)


@pytest.fixture
def photos(tmp_path):
    """Return a folder of data with three small photographs."""
    folder = tmp_path / "data"
    (folder / "photos").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(3):
        blocks = random.integers(0, 255, (20, 20), np.uint8)
        picture = Picture.fromarray(blocks).resize((80, 80))
        picture.save(folder / "photos" / f"{number}.png")
    return folder


def test_each_phase_has_its_share_and_leaves_its_result(gpu, tmp_path):
    from gpu_run import Phase, run_phases

    given = {}
    results = tmp_path / "results.json"

    def fail(seconds):
        raise ValueError("no such device")

    def note(seconds):
        given["b"] = seconds
        given["on disk"] = json.loads(results.read_text())
        return {"rate": 5}

    chosen = [Phase("a", 0.5, fail), Phase("b", 0.25, note), Phase("c", 0.25, lambda s: s)]
    found = run_phases(chosen, 100, results, {"device": "cpu"})
    assert "no such device" in found["a"]["result"]["error"]
    assert given["on disk"]["a"] == found["a"]
    # What the first one did not use is divided among the others.
    assert given["b"] == pytest.approx(50, abs=2)
    assert found["c"]["result"] == pytest.approx(100, abs=2)
    again = run_phases([Phase("b", 1, lambda _: 6)], 10, results, {})
    assert again["b"]["result"] == 6
    assert again["c"] == found["c"]
    assert run_phases(chosen, 0, results, {})["a"] == {"error": "no time was left"}


def test_a_training_goes_on_from_shipped_weights_and_then_from_its_own(gpu, photos, tmp_path):
    from gpu_run import SHORT
    from gpu_training import JOBS, continue_training

    out = tmp_path / "out"
    out.mkdir()
    short = {**SHORT["denoiser"], "crops": 1, "crop": 32, "steps": 2}
    first = continue_training(JOBS[0], photos, out, "cpu", 200.0, short)
    assert (out / "denoiser.safetensors").exists()
    assert first["began at"] == "general.safetensors"
    assert first["steps"] == 2
    assert len(list(out.iterdir())) == 1
    second = continue_training(JOBS[0], photos, out, "cpu", 200.0, short)
    assert second["began at"] == "denoiser.safetensors"
    assert second["before"] == pytest.approx(first["best"], abs=1e-3)


def test_samples_made_ahead_are_the_same(gpu):
    from gpu_training import Samples

    samples = Samples(lambda index: np.random.default_rng(index).random(3), 1)
    try:
        for index in (0, 1, 2, 5, 0):
            assert np.array_equal(samples(index), np.random.default_rng(index).random(3))
    finally:
        samples.close()


def test_rehearsed_times_have_rows_with_targets(gpu):
    from gpu_timing import Sizes, measure_times

    rows = measure_times("cpu", Sizes(16, 64, (64, 80)))
    assert [row["target"] for row in rows] == [5000, None, 40, 4]
    assert all(row["value"] > 0 for row in rows)
