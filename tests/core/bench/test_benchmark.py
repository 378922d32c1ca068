"""Races: sets on disk, scores against brute force, and the verb."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from unblur.bench import Mean, Protocol, Row, Score, evenly_spread, load_set, score
from unblur.bench.pairs import find_match
from unblur.cli import app
from unblur.errors import ImageError, UsageError
from unblur.io import write_image, write_kernel
from unblur.model.image import Image
from unblur.testing import gaussian, synthetic_scene

RGB = ("red", "green", "blue")


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Return a set of two scenes and two kernels."""
    folder = tmp_path / "tiny"
    for name in ("blurred", "sharp", "kernels"):
        (folder / name).mkdir(parents=True)
    for number, kernel in ((1, gaussian((5, 5), 1)), (2, gaussian((7, 7), 1.4))):
        write_kernel(kernel, folder / "kernels" / f"kernel{number}.tif")
        for place in (1, 2):
            given = synthetic_scene((72, 80), kernel, noise=0.002, seed=place)
            name = folder / "blurred" / f"im{place}_kernel{number}.tif"
            write_image(image(given.blurred.numpy()[0]), name)
            truth = folder / "sharp" / f"im{place}.tif"
            write_image(image(given.sharp.numpy()[0]), truth, overwrite=True)
    return folder


def image(values: np.ndarray) -> Image:
    return Image((values.clip(0, 1) * 65535).round().astype(np.uint16), "YX")


@pytest.fixture
def pipeline(tmp_path) -> Path:
    path = tmp_path / "plain.yaml"
    path.write_text("summary: Plain.\nsteps:\n  - deconvolve: wiener\n")
    return path


def run(*arguments: object, status: int = 0):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.stderr
    return result


def test_resolution_is_a_column_where_it_is_measured(pairs, pipeline):
    arguments = ("bench", pairs, pipeline, "--workers", 0, "--device", "cpu", "--limit", 1)
    plain = run(*arguments)
    assert "resolution" not in plain.stdout
    measured = run(*arguments, "--resolution")
    assert "resolution" in measured.stdout
    assert " -> " in measured.stdout


# Sets.


def test_a_folder_is_a_set(pairs):
    found = load_set(pairs)
    assert found.name == "tiny"
    assert [pair.name for pair in found.pairs] == [
        "im1_kernel1", "im1_kernel2", "im2_kernel1", "im2_kernel2",
    ]  # fmt: skip
    assert found.pairs[1].sharp.name == "im1.tif"
    assert found.pairs[1].kernel is not None
    assert found.pairs[1].kernel.name == "kernel2.tif"


def test_a_file_describes_a_set(pairs, tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(
        "name: half\nblurred: tiny/blurred/*_kernel1.tif\nsharp: tiny/sharp/*.tif\n"
        "protocol: {align: false, border: 4}\n"
    )
    found = load_set(path)
    assert [pair.name for pair in found.pairs] == ["im1_kernel1", "im2_kernel1"]
    assert found.pairs[0].kernel is None
    assert found.protocol == Protocol(align=False, border=4)


def test_names_match_as_whole_words():
    kernels = [Path(f"kernel{n}.tif") for n in (1, 12)]
    assert find_match("im1_kernel12_img", kernels) == kernels[1]
    assert find_match("im1_kernel1_img", kernels) == kernels[0]
    assert find_match("im1_kernel2_img", kernels) is None
    assert find_match("kernel", kernels) is None
    scenes = [Path("people.png"), Path("people_01.png")]
    assert find_match("people_01_kernel_02", scenes) == scenes[1]


def test_sets_are_narrowed(pairs):
    found = load_set(pairs)
    assert [p.name for p in found.subset("im2*", None).pairs] == ["im2_kernel1", "im2_kernel2"]
    assert [p.name for p in found.subset(None, 2).pairs] == ["im1_kernel1", "im2_kernel1"]
    with pytest.raises(UsageError, match="matches 'x'"):
        found.subset("x", None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such folder or set file"),
        ("name: [", "is not a set file"),
        ("name: x\nblurred: a\nsharp: b\nkernels: c", "did you mean 'kernel'?"),
        ("name: x\nblurred: nothing/*\nsharp: b", "no blurred image"),
        ("name: x\nblurred: tiny/blurred/*\nsharp: tiny/kernels/kernel2.tif", "no sharp image"),
    ],
)
def test_bad_sets_are_refused(pairs, tmp_path, content, expected):
    path = tmp_path / "bad.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=expected.replace("?", r"\?")):
        load_set(path)


def test_a_folder_without_the_layout_is_refused(tmp_path):
    with pytest.raises(UsageError, match="a set has a folder blurred"):
        load_set(tmp_path)


def test_the_levin_set_is_recognised(shared):
    found = load_set(shared / "data" / "levin09")
    assert len(found.pairs) == 32
    assert found.pairs[0].blurred.parent.name == "blurred_16bit"
    assert len({pair.sharp for pair in found.pairs}) == 32
    assert all(pair.name.startswith(pair.sharp.stem) for pair in found.pairs)
    assert {pair.kernel.name for pair in found.pairs} == {f"kernel{n}.tif" for n in range(1, 9)}


# Scores.


def test_unaligned_scores_are_the_definition():
    draw = np.random.default_rng(0)
    truth = draw.random((40, 50))
    result = truth + 0.01 * draw.standard_normal(truth.shape)
    bright = Image(result, "YX", white=1.3)
    found = score(bright, Image(truth, "YX"), Protocol(align=False, border=5))
    error = np.square(result - truth)[5:-5, 5:-5]
    assert found.error == pytest.approx(error.sum())
    assert found.psnr == pytest.approx(10 * math.log10(1 / error.mean()))


def test_aligned_scores_forgive_a_shift():
    truth = synthetic_scene((64, 64)).sharp.numpy()[0]
    moved = np.roll(truth, (2, -3), (0, 1))
    aligned = score(image(moved), image(truth), Protocol(border=8))
    assert aligned.psnr > 80
    assert score(image(moved), image(truth), Protocol(align=False, border=8)).psnr < 40


def test_colour_against_grey_is_luma_and_alpha_is_left_out():
    draw = np.random.default_rng(0)
    rgb = draw.integers(0, 255, (3, 40, 40)).astype(np.uint8)
    luma = np.tensordot([0.299, 0.587, 0.114], rgb.astype(float), 1)
    rgba = Image(np.concatenate([rgb, rgb[:1] * 0]), "CYX", channels=(*RGB, "alpha"))
    grey = Image(luma.astype(np.float32), "YX", white=255)
    assert score(grey, rgba, Protocol(align=False, border=0)).psnr > 80
    with pytest.raises(ImageError, match="cannot be compared"):
        score(Image(luma[:20], "YX"), rgba, Protocol())


def test_means_leave_out_what_is_missing():
    rows = [
        Row("a", Score(30, 0.9, 1), 1.0, 1.5, 0.8, 100),
        Row("b", Score(20, 0.7, 2), 3.0, 2.5, 0.6, 300),
        Row("c", Score(math.inf, 1.0, 0), 2.0, None, None, 200),
    ]
    mean = Mean.of(rows)
    assert (mean.psnr, mean.seconds, mean.peak_memory) == (25, 2, 300)
    assert (mean.ratio, mean.good) == (2.0, 1)
    assert mean.similarity == pytest.approx(0.7)
    assert Mean.of(rows[2:]).ratio is None


def test_shown_pairs_are_spread():
    assert evenly_spread([str(n) for n in range(32)]) == ["0", "8", "16", "24"]
    assert evenly_spread(["a", "b", "c"]) == ["a", "b", "c"]


# The verb.


def test_bench_writes_table_json_and_picture(pairs, pipeline, tmp_path):
    out = tmp_path / "results"
    said = run("bench", pairs, pipeline, "-o", out, "--workers", 0, "--limit", 2, "--seed", 3)
    assert "tiny: 2 pairs" in said.stdout
    result = json.loads((out / "tiny.json").read_text())
    plain = result["pipelines"][0]
    assert plain["name"] == "plain"
    assert plain["mean"]["psnr"] > result["blurred"]["mean"]["psnr"] + 0.5
    assert plain["mean"]["ratio"] is None
    assert plain["rows"][0]["seconds"] > 0
    assert plain["definition"]["steps"] == [{"deconvolve": "wiener"}]
    assert (result["seed"], result["pairs"]) == (3, 2)
    assert {"unblur", "torch"} <= set(result["versions"])
    table = (out / "tiny.md").read_text()
    assert f"| plain | {plain['mean']['psnr']:.2f} |" in table
    assert result["command"] in table
    width, height = Pillow.open(out / "tiny.png").size
    assert width > 3 * 80
    assert height > 2 * 72


def test_each_pipeline_has_a_process_of_its_own(pairs, pipeline):
    result = json.loads(run("bench", pairs, pipeline, "--limit", 1, "--json").stdout)
    assert result["workers"] == 1
    assert result["pipelines"][0]["mean"]["peak_memory"] > 0


@pytest.fixture
def blind(monkeypatch, tmp_path) -> Path:
    from unblur.model.stages import Estimate, KernelEstimator
    from unblur.plugins.manager import registry

    class Wide(KernelEstimator):
        name, summary = "wide", "Always too wide."

        def estimate(self, blurred, context, mask=None):
            return Estimate.of(gaussian((9, 9), 2.2))

    monkeypatch.setitem(registry().stages, ("kernel", "wide"), Wide)
    path = tmp_path / "blind.yaml"
    path.write_text("summary: x\nsteps:\n  - kernel: wide\n  - deconvolve: wiener\n")
    return path


def test_blind_pipelines_have_ratio_and_similarity(pairs, pipeline, blind):
    said = run("bench", pairs, pipeline, blind, "--workers", 0, "--only", "im1_kernel1", "--json")
    informed, guessed = json.loads(said.stdout)["pipelines"]
    row = guessed["rows"][0]
    assert row["ratio"] == pytest.approx(row["error"] / informed["rows"][0]["error"], rel=1e-3)
    assert row["ratio"] > 1
    assert 0 < row["similarity"] < 1
    assert guessed["mean"]["good"] in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["winer"], "did you mean 'wiener'?"),
        (["{pipeline}", "{pipeline}"], "distinct names"),
        (["{pipeline}", "--only", "x"], "matches 'x'"),
        (["{pipeline}", "--set", "wiener.nose=1"], "did you mean 'noise'?"),
    ],
)
def test_bad_races_are_refused_before_they_start(pairs, pipeline, arguments, expected):
    given = [argument.format(pipeline=pipeline) for argument in arguments]
    assert expected in run("bench", pairs, *given, status=2).stderr


def test_a_set_without_kernels_suits_only_blind_pipelines(pairs, pipeline):
    for path in (pairs / "kernels").iterdir():
        path.unlink()
    said = run("bench", pairs, pipeline, status=2)
    assert "plain needs the kernel, but im1_kernel1" in said.stderr
