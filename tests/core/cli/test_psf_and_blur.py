"""Making kernels and blurred images, and looking at PSFs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from scipy.signal import fftconvolve

from unblur.errors import UsageError
from unblur.io import read_image, read_kernel, write_image
from unblur.model.image import Image
from unblur.numerics.synthesis.synthetic_psf import (
    SYNTHETIC_PSFS,
    make_synthetic_psf,
    parse_synthetic_psf,
)

OPTICS = ["na=0.5", "emission_nm=520", "immersion=air", "pixel_um=0.3", "size=9"]
"""What a PSF of the optics cannot do without."""


@pytest.mark.parametrize("kind", SYNTHETIC_PSFS)
def test_every_kind_is_made_and_described(unblur, tmp_path, kind):
    needed = OPTICS if kind == "optics" else []
    said = unblur("psf", "make", kind, *needed, "-o", tmp_path / "k.tif")
    kernel = read_kernel(tmp_path / "k.tif").mean
    assert said.out.splitlines()[0].endswith(f"{'x'.join(map(str, kernel.shape))} pixels")
    assert kernel.weights.sum() == pytest.approx(1, abs=1e-5)
    assert tifffile.imread(tmp_path / "k.tif").dtype == np.float32
    told = unblur("psf", "make", kind).out
    assert all(param in told for param in SYNTHETIC_PSFS[kind].model_fields)


def test_params_shape_the_kernel(unblur, tmp_path):
    unblur("psf", "make", "gaussian", "sigma=[1, 3]", "size=15", "-o", tmp_path / "k.tif")
    weights = read_kernel(tmp_path / "k.tif").mean.weights.astype(float)
    rows, columns = np.indices(weights.shape) - 7
    assert np.sqrt((weights * rows**2).sum()) == pytest.approx(1, rel=0.05)
    assert np.sqrt((weights * columns**2).sum()) > 2


def test_random_kernels_follow_the_seed():
    one, same, other = (make_synthetic_psf("path", ["size=15"], seed).weights for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_word_describes_a_kernel():
    assert parse_synthetic_psf("disk:radius=3,size=15", 0).shape == (15, 15)
    assert parse_synthetic_psf("disk", 0).shape == (9, 9)
    assert parse_synthetic_psf("gaussian:sigma=[1,2],size=9", 0).shape == (9, 9)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["dsk"], "did you mean 'disk'?"),
        (["disk", "radius=-1"], "'radius' is -1"),
        (["disk", "radios=1"], "did you mean 'radius'?"),
        (["disk", "radius"], "NAME=VALUE"),
        (["disk", "radius=[", ], "not a plain YAML value"),
    ],
)  # fmt: skip
def test_bad_kernels_are_refused(unblur, arguments, expected):
    assert expected in unblur("psf", "make", *arguments, status=2).err


def test_check_finds_and_repairs(unblur, tmp_path):
    rows, columns = np.mgrid[:31, :31]
    spot = 1000 * np.exp(-((rows - 10) ** 2 + (columns - 18) ** 2) / 8)
    np.save(tmp_path / "bead.npy", np.where(spot > 1, spot, 0) + 100)
    out = tmp_path / "psf.tif"
    said = unblur("psf", "check", tmp_path / "bead.npy", "--repair", out)
    assert "background" in said.out
    kernel = read_kernel(out).mean
    assert all(n % 2 for n in kernel.shape)
    place = np.unravel_index(kernel.weights.argmax(), kernel.shape)
    assert place == tuple(n // 2 for n in kernel.shape)
    findings = json.loads(unblur("psf", "check", out, "--json").out)[str(out)]
    assert {"error", "warning"} & {f["level"] for f in findings} == set()


def test_check_says_with_its_status_whether_a_psf_can_be_used(unblur, tmp_path):
    np.save(tmp_path / "bad.npy", np.zeros((5, 5)))
    assert "error" in unblur("psf", "check", tmp_path / "bad.npy", status=1).out
    np.save(tmp_path / "nan.npy", np.where(np.eye(5), np.nan, 1.0))
    assert unblur("psf", "check", tmp_path / "nan.npy", "-q", status=1).out == ""


def test_check_against_the_image(unblur, tmp_path):
    sizes = {"Y": 0.1, "X": 0.1}, {"Y": "µm", "X": "µm"}
    write_image(Image(np.zeros((20, 20), np.uint8), "YX", *sizes), tmp_path / "small.ome.tif")
    unblur("psf", "make", "disk", "radius=15", "-o", tmp_path / "k.tif")
    said = unblur("psf", "check", tmp_path / "k.tif", "--image", tmp_path / "small.ome.tif",
                  status=None)  # fmt: skip
    assert "31 x 31" in said.out
    assert "20 x 20" in said.out


# unblur blur.


def test_blur_is_convolution_and_leaves_the_truth(unblur, files):
    sharp = read_image(files / "grey.tif").data.astype(float)
    said = unblur("blur", files / "grey.tif", "-o", files / "b.tif", "--kernel", "motion:length=4")
    kernel = read_kernel(files / "b.psf.tif").mean.weights
    expected = fftconvolve(sharp, kernel, mode="valid")
    assert np.abs(read_image(files / "b.tif").data - expected).max() <= 0.51
    truth = read_image(files / "b.truth.tif")
    n = kernel.shape[0]
    assert np.array_equal(truth.data, sharp[n // 2 : -(n // 2), n // 2 : -(n // 2)])
    assert "b.truth.tif" in said.out
    report = json.loads((files / "b.json").read_text())
    assert report["kernel"] == "motion:length=4"
    assert report["seed"] == 0


def test_noise_has_its_strength_and_follows_the_seed(unblur, tmp_path):
    write_image(Image(np.full((90, 90), 0.5, np.float32), "YX"), tmp_path / "flat.tif")
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        unblur("blur", tmp_path / "flat.tif", "-o", tmp_path / f"{name}.tif",
               "--kernel", "disk:radius=1", "--noise", 0.02, "--seed", seed)  # fmt: skip
        made.append(read_image(tmp_path / f"{name}.tif").data)
    assert made[0].std() == pytest.approx(0.02, rel=0.1)
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    unblur("blur", tmp_path / "flat.tif", "-o", tmp_path / "p.tif", "--kernel", "disk",
           "--photons", 200)  # fmt: skip
    assert read_image(tmp_path / "p.tif").data.var() == pytest.approx(0.5 / 200, rel=0.1)


def test_a_bright_scene_clips_at_white(unblur, files):
    unblur("blur", files / "colour.png", "-o", files / "b.png", "--kernel", "disk:radius=1.5",
           "--gain", 3, "--boundary", "reflect")  # fmt: skip
    blurred, truth = read_image(files / "b.png"), read_image(files / "b.truth.png")
    assert blurred.shape == truth.shape == (3, 40, 52)
    assert (truth.data == 255).any()
    original = read_image(files / "colour.png").data.astype(int)
    assert np.array_equal(truth.data, np.minimum(3 * original, 255))


def test_alpha_is_not_blurred(unblur, tmp_path):
    rgba = np.random.default_rng(0).integers(0, 255, (4, 20, 20)).astype(np.uint8)
    names = ("red", "green", "blue", "alpha")
    write_image(Image(rgba, "CYX", channels=names), tmp_path / "a.png")
    unblur("blur", tmp_path / "a.png", "-o", tmp_path / "b.png", "--kernel", "disk:radius=2.5",
           "--boundary", "replicate", "--noise", 0.1)  # fmt: skip
    result = read_image(tmp_path / "b.png")
    assert np.array_equal(result.data[3], rgba[3])
    assert not np.array_equal(result.data[:3], rgba[:3])


@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        ([], 2, "either with --kernel"),
        (["--kernel", "disk", "--psf", "psf.tif"], 2, "either with --kernel"),
        (["--kernel", "disk", "--boundary", "none"], 2, "--boundary"),
        (["--kernel", "disk:radius=60"], 1, "grey.tif"),
    ],
)
def test_bad_blurs_are_refused(unblur, files, options, status, expected):
    said = unblur("blur", files / "grey.tif", "-o", files / "b.tif", *options, status=status)
    assert expected in said.err
    assert not (files / "b.tif").exists()
    assert not (files / "b.psf.tif").exists()


def test_blur_does_not_replace_its_input(unblur, files):
    said = unblur(
        "blur", files / "grey.tif", "-o", files / "grey.tif", "--kernel", "disk", "--overwrite",
        status=2,
    )  # fmt: skip
    assert "replace the input" in said.err


def test_unknown_words_are_usage_errors():
    with pytest.raises(UsageError):
        parse_synthetic_psf("nothing:at=all", 0)
