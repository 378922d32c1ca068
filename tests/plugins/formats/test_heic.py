"""HEIC files of computed numbers, written without loss by pillow-heif."""

import sys
from pathlib import Path

import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image, write_image

SAMPLES = Path(__file__).with_name("samples")
Y, X = np.mgrid[:40, :48]
VALUES = np.stack([X * 5, Y * 6, (X + Y) * 2])


def test_a_picture_is_turned_as_it_states(tmp_path, check_outputs):
    image = read_image(SAMPLES / "picture.heic")
    assert (image.axes, image.dtype, image.white) == ("CYX", np.uint8, 255)
    assert image.channels == ("red", "green", "blue")
    # Orientation 6: a quarter turn clockwise, which the pixels and no longer the EXIF state.
    np.testing.assert_array_equal(image.data, np.rot90(VALUES, -1, axes=(1, 2)))
    check_outputs(image)
    again = read_image(write_image(image, tmp_path / "a.png"))
    assert "orientation" not in again.metadata
    assert again.metadata["icc"] == image.metadata["icc"]
    from PIL import Image as Picture

    exif = Picture.open(tmp_path / "a.png").getexif()
    assert (exif[271], exif.get(274, 1)) == ("Test", 1)


def test_ten_bits_stay_ten():
    image = read_image(SAMPLES / "picture-10bit.heic")
    assert (image.dtype, image.white) == (np.uint16, 1023)
    np.testing.assert_array_equal(image.data, VALUES * 4)


def test_what_is_wrong_with_a_heic_file_is_said(tmp_path, monkeypatch):
    whole = (SAMPLES / "picture.heic").read_bytes()
    (tmp_path / "short.heic").write_bytes(whole[:-500])
    (tmp_path / "other.heic").write_bytes(b"no image" * 100)
    for name in ("short", "other"):
        with pytest.raises(ImageError, match=f"{name}.heic is damaged or cut short"):
            read_image(tmp_path / f"{name}.heic")
    with pytest.raises(ImageError, match=r"no image \[3\]"):
        read_image(f"{SAMPLES / 'picture.heic'}[3]")
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ImageError, match=r'pip install "unblur\[photo\]"'):
        read_image(SAMPLES / "picture.heic")
