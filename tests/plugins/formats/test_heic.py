"""HEIC files of computed numbers, written without loss by pillow-heif."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur_formats.cameras.heif_boxes import check_boxes

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


def test_boxes_are_checked_before_the_decoder_gets_them(tmp_path):
    """These files have no picture in them; only the check reads them."""
    path = tmp_path / "a.heic"

    def box(kind, content, size=None):
        return struct.pack(">I4s", 8 + len(content) if size is None else size, kind) + content

    def meta(*boxes):
        return box(b"meta", bytes(4) + b"".join(boxes))

    def item(kind, name=b"\0"):
        entry = box(b"infe", b"\2" + bytes(3) + bytes(4) + kind + name)
        return box(b"iinf", bytes(4) + struct.pack(">H", 1) + entry)

    configuration = bytes(22) + b"\1" + struct.pack(">BHH", 32, 1, 9) + b"x"
    places = bytes(4) + b"\x44\x00" + struct.pack(">HHHHII", 1, 1, 0, 1, 10, 10**6)
    size = bytes(4) + struct.pack(">II", 10**6, 10**6)
    for content, message in {
        box(b"ftyp", b"heic", 99): "a box of 99 bytes lies in 12",
        meta(box(b"iprp", box(b"ipco", box(b"ispe", b"", 50)))): "a box of 50 bytes lies in 8",
        meta(box(b"iprp", box(b"ipco", box(b"hvcC", configuration)))): "a unit of the config",
        meta(box(b"iloc", places)): "an item lies beyond the end of the file",
        meta(item(b"\xff\xff\xff\xff")): "the type of an item is not text",
        meta(item(b"Exif", b"\xff")): "can't decode byte",
        meta(box(b"iprp", box(b"ipco", box(b"ispe", size)))): "declares|decompression bomb",
    }.items():
        path.write_bytes(content)
        with pytest.raises(ImageError, match=message):
            check_boxes(path)
    path.write_bytes(meta(item(b"Exif")))
    check_boxes(path)
