"""Whatever is wrong with the input: one line that names it, status 1 or 2, nothing left behind."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unblur.io import write_kernel
from unblur.testing import gaussian


def state(folder: Path) -> dict[str, str]:
    """Return every file's hash, so that a change or a leftover shows."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(unblur, folder: Path, *arguments: object, status: int) -> str:
    """Run the command, which must refuse in one line and leave the folder as it was."""
    before = state(folder)
    said = unblur(*arguments, status=status)
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith("unblur: ")
    assert "this should not happen" not in said.err
    assert state(folder) == before
    return said.err


def truncated(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((64, 64), np.uint16))
    path.write_bytes(path.read_bytes()[:2000])


def nan_in_places(path: Path) -> None:
    tifffile.imwrite(path, np.full((32, 32), np.nan, np.float32))


IMAGES = {
    "missing": (lambda path: None, ["there is no file"]),
    "text": (lambda path: path.write_text("hello"), ["TIFF"]),
    "zero bytes": (lambda path: path.touch(), ["empty"]),
    "truncated": (truncated, ["cut short"]),
    "1 pixel": (lambda path: tifffile.imwrite(path, np.ones((1, 1), np.uint8)), ["single pixel"]),
    "all NaN": (nan_in_places, ["NaN"]),
    "complex": (lambda path: tifffile.imwrite(path, np.ones((32, 32), complex)), ["complex"]),
    "smaller than the kernel": (
        lambda path: tifffile.imwrite(path, np.ones((5, 5), np.uint8)),
        ["larger than the image", "7x7", "5x5"],
    ),
}


@pytest.mark.parametrize("case", IMAGES, ids=lambda name: name.replace(" ", "-"))
def test_images_that_cannot_be_deblurred(unblur, files, case):
    make, expected = IMAGES[case]
    make(files / "bad.tif")
    told = refused(
        unblur, files,
        "run", files / "wiener.yaml", files / "bad.tif", "-o", files / "out.tif",
        "--psf", files / "psf.tif", status=1,
    )  # fmt: skip
    assert str(files / "bad.tif") in told
    assert all(word in told for word in expected)


def test_an_empty_array(unblur, files):
    np.save(files / "bad.npy", np.zeros((0, 5)))
    told = refused(
        unblur, files,
        "run", files / "wiener.yaml", files / "bad.npy", "-o", files / "out.npy",
        "--psf", files / "psf.tif", status=1,
    )  # fmt: skip
    assert "bad.npy" in told
    assert "empty" in told


KERNELS = {
    "all zeros": (np.zeros((5, 5)), "all zeros"),
    "negative sum": (-np.ones((5, 5)), "positive sum"),
    "negative": (np.array([[1.0, 2, 1], [2, -1, 2], [1, 2, 1]]), "non-negative"),
    "NaN": (np.full((5, 5), np.nan), "NaN"),
    "larger than the image": (np.ones((99, 99)), "larger than the image"),
    "four axes": (np.ones((2, 2, 5, 5)), "axes"),
}


@pytest.mark.parametrize("case", KERNELS, ids=lambda name: name.replace(" ", "-"))
def test_kernels_that_are_none(unblur, files, case):
    values, expected = KERNELS[case]
    np.save(files / "bad.npy", values)
    told = refused(
        unblur, files,
        "run", files / "wiener.yaml", files / "grey.tif", "-o", files / "out.tif",
        "--psf", files / "bad.npy", status=1,
    )  # fmt: skip
    assert expected in told
    assert "bad.npy" in told or "grey.tif" in told


def test_bad_usage_is_status_2(unblur, files):
    image, out = files / "grey.tif", files / "out.tif"
    wiener = files / "wiener.yaml"
    psf = ("--psf", files / "psf.tif")
    cases = [
        (("run", "winer", image, "-o", out), "did you mean 'wiener'?"),
        (("run", wiener, image, "-o", out), "needs the blur kernel"),
        (("run", files / "no.yaml", image, "-o", out), "no.yaml"),
        (("run", wiener, image, "-o", out, *psf, "--set", "wiener.nose=1"), "did you mean 'noise'"),
        (("run", wiener, image, "-o", out, *psf, "--set", "kernel.size=3"), "names no param"),
        (("run", wiener, image, "-o", out, *psf, "--device", "cuda:77"), "cuda:77"),
        (("run", wiener, image, "-o", out, *psf, "--crop", "x"), "--crop"),
        (("run", wiener, image, "-o", out, *psf, "--noise", "lots"), "--noise"),
        (("run", wiener, image, "-o", image, *psf), "replace the input"),
        (("run", wiener, files / "*.jp2", "-o", out, *psf), "no file matches"),
    ]
    for arguments, expected in cases:
        told = refused(unblur, files, *arguments, status=2)
        assert expected in told, arguments


def test_a_pipeline_with_code_in_it(unblur, files):
    path = files / "evil.yaml"
    path.write_text("summary: !!python/object/apply:os.system ['touch pwned']\nsteps: []\n")
    told = refused(unblur, files, "run", path, files / "grey.tif", "-o", "x.tif", status=2)
    assert "evil.yaml" in told


def test_a_pipeline_that_unfolds_to_gigabytes(unblur, files):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in pairwise("abcdefgh")]
    (files / "bomb.yaml").write_text("\n".join(lines))
    told = refused(
        unblur, files, "run", files / "bomb.yaml", files / "grey.tif", "-o", "x.tif", status=2
    )
    assert "aliases" in told


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("nowhere/out.tif", "there is no folder"),
        ("grey.png/out.tif", "grey.png"),
        ("out.xyz", "out.xyz"),
        ("out", "no suffix"),
        ("grey.png", "exists"),
        ("long" * 80 + ".tif", "long"),
    ],
)
def test_outputs_that_cannot_be_written(unblur, files, halve, output, expected):
    told = refused(
        unblur, files,
        "run", halve, files / "grey.tif", "-o", files / output, "--psf", files / "psf.tif",
        status=1,
    )  # fmt: skip
    assert expected in told


def test_a_sidecar_in_the_way(unblur, files, halve):
    (files / "out.json").write_text("{}")
    told = refused(
        unblur, files,
        "run", halve, files / "grey.tif", "-o", files / "out.tif", "--psf", files / "psf.tif",
        status=1,
    )  # fmt: skip
    assert "out.json exists" in told


def test_axes_that_are_none(unblur, files, halve):
    for axes in ("QX", "ZYX", "Y"):
        told = refused(
            unblur, files,
            "run", halve, files / "grey.tif", "-o", files / "out.tif",
            "--psf", files / "psf.tif", "--axes", axes, status=1,
        )  # fmt: skip
        assert "grey.tif" in told
        assert "axes" in told


def test_a_volume_kernel_on_a_plane(unblur, files):
    write_kernel(gaussian((3, 5, 5), 1), files / "deep.tif")
    told = refused(
        unblur, files,
        "run", files / "wiener.yaml", files / "grey.tif", "-o", files / "out.tif",
        "--psf", files / "deep.tif", status=1,
    )  # fmt: skip
    assert "grey.tif" in told


def test_nan_inside_a_good_image_is_no_error(unblur, files):
    values = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    values[10:12, 20:23] = np.nan
    tifffile.imwrite(files / "holes.tif", values)
    unblur(
        "run", files / "wiener.yaml", files / "holes.tif", "-o", files / "out.tif",
        "--psf", files / "psf.tif",
    )  # fmt: skip
    result = tifffile.imread(files / "out.tif")
    assert np.array_equal(np.isnan(result), np.isnan(values))
