"""SER files, written here by the public description of the format."""

import struct

import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image

RNG = np.random.default_rng(6)


def write_ser(path, values, *, colour=0, flag=0, depth=None, order="<", stamps=True):
    """Write frames (T, Y, X) or (T, Y, X, 3), each 20 ms after the one before."""
    frames, rows, columns = values.shape[:3]
    depth = depth or 8 * values.dtype.itemsize
    head = b"LUCAM-RECORDER" + struct.pack("<7i", 0, colour, flag, columns, rows, depth, frames)
    head += b"".join(t.ljust(40, b"\0") for t in (b"A. Observer", b"a camera", b"a telescope"))
    head += struct.pack("<2q", 0, 0)
    stored = values.astype(values.dtype.newbyteorder(order)).tobytes()
    ticks = 638000000000000000 + 200000 * np.arange(frames, dtype="<i8")
    path.write_bytes(head + stored + (ticks.tobytes() if stamps else b""))


@pytest.mark.parametrize("lazy", [False, True])
def test_frames_are_times_with_their_interval(tmp_path, check_outputs, lazy):
    values = RNG.integers(0, 4096, (5, 20, 24), dtype=np.uint16)
    write_ser(tmp_path / "a.ser", values, depth=12)
    image = read_image(tmp_path / "a.ser", lazy=lazy)
    assert (image.axes, image.white, image.is_lazy) == ("TYX", 4095, lazy)
    assert image.pixel_size == pytest.approx({"T": 0.02})
    assert image.units == {"T": "s"}
    assert image.metadata["ser"]["telescope"] == "a telescope"
    np.testing.assert_array_equal(np.asarray(image.data), values)
    check_outputs(image)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("colour", [100, 101])
def test_colours_in_either_order(tmp_path, colour, lazy):
    values = RNG.integers(0, 256, (2, 20, 24, 3), dtype=np.uint8)
    write_ser(tmp_path / "a.ser", values[..., ::-1] if colour == 101 else values, colour=colour)
    image = read_image(tmp_path / "a.ser", lazy=lazy)
    assert (image.axes, image.channels) == ("TCYX", ("red", "green", "blue"))
    np.testing.assert_array_equal(np.asarray(image.data), values.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("flag", "order"), [(0, "<"), (1, ">"), (0, ">"), (1, "<")])
def test_the_byte_order_is_that_which_fits_the_bit_depth(tmp_path, flag, order):
    values = RNG.integers(0, 1024, (1, 20, 24), dtype=np.uint16)
    write_ser(tmp_path / "a.ser", values, flag=flag, order=order, depth=10)
    image = read_image(tmp_path / "a.ser")
    assert (image.axes, image.white) == ("YX", 1023)
    np.testing.assert_array_equal(image.data, values[0])


def test_values_beyond_the_bit_depth_have_the_white_of_the_type(tmp_path):
    values = RNG.integers(0, 65536, (1, 20, 24), dtype=np.uint16)
    write_ser(tmp_path / "a.ser", values, depth=12)
    assert read_image(tmp_path / "a.ser").white == 65535


def test_what_is_wrong_with_a_ser_file_is_said(tmp_path):
    values = np.zeros((4, 20, 24), np.uint8)
    write_ser(tmp_path / "mosaic.ser", values, colour=8)
    write_ser(tmp_path / "unknown.ser", values, colour=7)
    write_ser(tmp_path / "a.ser", values, stamps=False)
    whole = (tmp_path / "a.ser").read_bytes()
    (tmp_path / "short.ser").write_bytes(whole[:-1])
    (tmp_path / "broken.ser").write_bytes(whole[:38] + struct.pack("<i", 0) + whole[42:])
    (tmp_path / "other.ser").write_bytes(b"no video" * 40)
    for name, words in {"mosaic": "raw mosaic.*RGGB", "unknown": "type 7", "short": "cut short",
                        "broken": "0 frames", "other": "no SER file"}.items():  # fmt: skip
        with pytest.raises(ImageError, match=words):
            read_image(tmp_path / f"{name}.ser")
    assert read_image(tmp_path / "a.ser").pixel_size == {}
