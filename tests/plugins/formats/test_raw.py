"""DNG files, written here by tifffile with the tags of the public specification."""

import io
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from PIL import ImageCms

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur_formats.cameras.linear_profile import linear_srgb_profile

BLACK, WHITE = 512, 16383
BALANCE = (2.0, 1.0, 1.5)
XYZ_TO_SRGB = ((3.2404542, -1.5371385, -0.4985314), (-0.969266, 1.8760108, 0.041556),
               (0.0556434, -0.2040259, 1.0572252))  # fmt: skip


def rationals(values):
    return [n for value in values for n in (round(value * 10**6), 10**6)]


def write_dng(path, colours, shape=(48, 64), dtype=np.uint16, white=WHITE, **options):
    """Write a mosaic R G / G B of constant light after white balance; the camera sees sRGB.

    Floats have the black level 0 and the white level 1, which is stated where `white` is 1.
    """
    pattern = np.tile([[0, 1], [1, 2]], (shape[0] // 2, shape[1] // 2))
    light = np.array(colours) / BALANCE
    black = BLACK if dtype == np.uint16 else 0
    values = (BLACK + light[pattern] * (WHITE - BLACK)).round() if black else light[pattern]
    mosaic = values.astype(dtype)
    # The matrix from XYZ to the camera, whose rows LibRaw scales so that white is (1, 1, 1).
    matrix = np.array(XYZ_TO_SRGB)
    tags = [
        (271, "s", 0, "Test", True), (272, "s", 0, "Camera", True),
        (33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True), (50708, "s", 0, "Test Camera", True),
        (50713, "H", 2, (1, 1), True), (50714, "H", 1, black, True),
        *([(50717, "H", 1, white, True)] if white else []),
        (50721, 10, 9, rationals(matrix.ravel()), True),
        (50728, 5, 3, rationals([1 / b for b in BALANCE]), True), (50778, "H", 1, 21, True),
    ]  # fmt: skip
    tifffile.imwrite(path, mosaic, photometric=32803, metadata=None, extratags=tags, **options)


def test_the_values_are_proportional_to_light(tmp_path):
    means = []
    for number, factor in enumerate((0.25, 0.5, 1.0)):
        write_dng(tmp_path / f"{number}.dng", np.array([0.8, 0.6, 0.4]) * factor)
        image = read_image(tmp_path / f"{number}.dng", lazy=True)
        assert (image.axes, image.dtype, image.white) == ("CYX", np.uint16, 65535)
        assert image.channels == ("red", "green", "blue")
        means.append(image.data[:, 8:-8, 8:-8].mean(axis=(1, 2)) / 65535)
    np.testing.assert_allclose(means[2], [0.8, 0.6, 0.4], atol=0.02)
    np.testing.assert_allclose(means[0], means[2] / 4, atol=1e-3)
    np.testing.assert_allclose(means[1], means[2] / 2, atol=1e-3)
    assert image.metadata["raw"]["black_level"] == (BLACK,) * 4
    assert image.metadata["raw"]["white_balance"][:3] == pytest.approx(BALANCE, rel=1e-4)


def test_a_profile_says_that_the_values_are_linear(tmp_path, check_outputs):
    profile = ImageCms.ImageCmsProfile(io.BytesIO(linear_srgb_profile()))
    assert "Linear light" in ImageCms.getProfileDescription(profile)
    grey = Picture.new("RGB", (2, 2), (55, 55, 55))  # 55 / 255 of the light is 128 / 255 in sRGB
    shown = ImageCms.profileToProfile(grey, profile, ImageCms.createProfile("sRGB"))
    assert np.abs(np.asarray(shown).astype(int) - 128).max() <= 1
    write_dng(tmp_path / "a.dng", [0.8, 0.6, 0.4])
    image = read_image(tmp_path / "a.dng")
    check_outputs(image)
    assert read_image(write_image(image, tmp_path / "a.tif")).metadata["icc"] == (
        linear_srgb_profile()
    )


def test_what_is_wrong_with_a_raw_file_is_said(tmp_path, monkeypatch):
    (tmp_path / "other.nef").write_bytes(b"no image" * 100)
    write_dng(tmp_path / "a.dng", [0.8, 0.6, 0.4])
    whole = (tmp_path / "a.dng").read_bytes()
    (tmp_path / "short.dng").write_bytes(whole[: len(whole) // 2])
    for name in ("other.nef", "short.dng"):
        with pytest.raises(ImageError, match=rf"{name} cannot be developed"):
            read_image(tmp_path / name)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(ImageError, match=r'pip install "unblur\[photo\]"'):
        read_image(tmp_path / "a.dng")


def test_floats_are_read_or_refused(tmp_path):
    path, colours = tmp_path / "a.dng", np.array([0.8, 0.6, 0.4])
    for dtype, options in (
        (np.float32, {"white": None}),
        (np.float32, {"white": 1, "compression": "zlib", "predictor": 3}),
        (np.float16, {"white": 1}),
    ):
        write_dng(path, colours, dtype=dtype, **options)
        means = read_image(path).data[:, 8:-8, 8:-8].mean(axis=(1, 2)) / 65535
        np.testing.assert_allclose(means, colours, atol=0.02)
    # LibRaw reads these as 0, and as noise.
    write_dng(path, colours, dtype=np.float16, white=None)
    with pytest.raises(ImageError, match="half floats without a WhiteLevel"):
        read_image(path)
    write_dng(path, colours, dtype=np.float32, white=1, compression="zlib")
    with pytest.raises(ImageError, match="Deflate without a predictor"):
        read_image(path)


def test_a_file_that_tifffile_cannot_parse_is_left_to_libraw(tmp_path, monkeypatch):
    def fail(path):
        raise TypeError("a tag of an unknown type")

    write_dng(tmp_path / "a.dng", np.array([0.8, 0.6, 0.4]))
    monkeypatch.setattr("tifffile.TiffFile", fail)
    assert read_image(tmp_path / "a.dng").axes == "CYX"
