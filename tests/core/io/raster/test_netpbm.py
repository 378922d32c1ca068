"""PBM, PGM, PPM, PAM and PFM, against files by hand and by Pillow."""

import numpy as np
import PIL.Image
import pytest

from unblur.errors import ImageError
from unblur.io import read_image, write_image

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(("suffix", "mode"), [("pbm", "1"), ("pgm", "L"), ("ppm", "RGB")])
def test_pixels_are_those_that_pillow_writes(tmp_path, suffix, mode):
    source = PIL.Image.fromarray(RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)).convert(mode)
    source.save(tmp_path / f"a.{suffix}")
    image = read_image(tmp_path / f"a.{suffix}")
    expected = np.array(source)
    np.testing.assert_array_equal(
        image.data, expected if expected.ndim == 2 else expected.transpose(2, 0, 1)
    )
    assert image.white == (1 if mode == "1" else 255)
    again = read_image(write_image(image, tmp_path / "b.png"))
    np.testing.assert_array_equal(again.data, image.data)


@pytest.mark.parametrize("maximum", [1, 200, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", [b"P2", b"P3", b"P5", b"P6", b"P7"])
def test_the_bit_depth_is_that_of_the_largest_value(tmp_path, kind, maximum):
    samples = 3 if kind in (b"P3", b"P6", b"P7") else 1
    values = RNG.integers(0, maximum + 1, (4, 5, samples))
    values[0, 0] = maximum
    head = b"%s # a comment 9 9\n5\t4\n%d\n" % (kind, maximum)
    if kind == b"P7":
        head = b"P7\n# a comment\nWIDTH 5\nHEIGHT 4\nDEPTH 3\nMAXVAL %d\nENDHDR\n" % maximum
    if kind in (b"P2", b"P3"):
        body = " ".join(str(v) for v in values.ravel()).encode() + b" # the end\n"
    else:
        body = values.astype("u1" if maximum < 256 else ">u2").tobytes()
    (tmp_path / "a.pnm").write_bytes(head + body)
    image = read_image(tmp_path / "a.pnm")
    assert image.white == maximum
    assert image.dtype == (np.uint8 if maximum < 256 else np.uint16)
    np.testing.assert_array_equal(image.data, np.moveaxis(values, -1, 0).squeeze())


def test_a_new_line_behind_the_end_of_the_header_is_no_pixel_in_a_longer_file(tmp_path):
    # fabio 2026.6.0 ends the header of PGM by a space and a new line.
    values = np.array([[0, 600, 1200], [1800, 2400, 3000]])
    (tmp_path / "a.pgm").write_bytes(b"P5 \n3 2 3000 \n" + values.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm").data, values)
    (tmp_path / "a.pgm").write_bytes(b"P5 \n3 2 100 \n" + bytes([0, 20, 40, 60, 80, 100]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm").data, [[0, 20, 40], [60, 80, 100]])
    (tmp_path / "a.pgm").write_bytes(b"P5 \n3 2 100 \n" + bytes([20, 40, 60, 80, 100]))
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.pgm").data, [[10, 20, 40], [60, 80, 100]]
    )


def test_bits_as_text_and_alpha_of_pam(tmp_path):
    (tmp_path / "a.pbm").write_bytes(b"P1\n3 2\n# black is 1\n1 0 1\n010")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.pbm").data, [[False, True, False], [True, False, True]]
    )
    head = b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH %d\nMAXVAL 255\nTUPLTYPE %s\nENDHDR\n"
    (tmp_path / "a.pam").write_bytes(head % (4, b"RGB_ALPHA") + bytes(range(8)))
    image = read_image(tmp_path / "a.pam")
    assert image.channels == ("red", "green", "blue", "alpha")
    assert image.data[3].tolist() == [[3, 7]]
    (tmp_path / "a.pam").write_bytes(head % (5, b"BANDS") + bytes(range(10)))
    assert read_image(tmp_path / "a.pam").channels == ()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [1, 3])
def test_floats_lie_from_the_last_row_to_the_first(tmp_path, order, samples):
    values = RNG.normal(0, 9, (4, 5, samples)).astype(np.float32)
    head = b"%s\n5 4\n%s\n" % (b"PF" if samples == 3 else b"Pf", b"-1" if order == "<" else b"1.0")
    (tmp_path / "a.pfm").write_bytes(head + values[::-1].astype(f"{order}f4").tobytes())
    image = read_image(tmp_path / "a.pfm")
    np.testing.assert_array_equal(image.data, np.moveaxis(values, -1, 0).squeeze())
    assert "notes" not in image.metadata
    if samples == 1:
        with PIL.Image.open(tmp_path / "a.pfm") as found:
            np.testing.assert_array_equal(image.data, np.array(found))
    (tmp_path / "a.pfm").write_bytes(b"Pf\n1 1\n-2.5\n" + bytes(4))
    assert "2.5, the scale that it states" in read_image(tmp_path / "a.pfm").metadata["notes"][0]


def test_pictures_that_follow_one_another_are_times(tmp_path):
    frames = RNG.integers(0, 256, (3, 4, 5), dtype=np.uint8)
    head = b"P5 5 4 255\n"
    (tmp_path / "a.pgm").write_bytes(b"".join(head + frame.tobytes() for frame in frames))
    image = read_image(tmp_path / "a.pgm")
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.data, frames)
    (tmp_path / "a.pgm").write_bytes(head + bytes(20) + b"P5 2 2 255\n" + bytes(4))
    with pytest.raises(ImageError, match="several pictures of unlike sizes"):
        read_image(tmp_path / "a.pgm")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"P5 5 4 255\n" + bytes(19), "20 bytes of pixels are stated, 19 are there"),
        (b"P5 99999 99999 255\n" + bytes(9), "bytes of pixels are stated"),
        (b"P5 0 4 255\n", "a length of 0"),
        (b"P5 5 -4 255\n", "'-4' is no number"),
        (b"P5 5 4 70000\n", "the largest value is 70000"),
        (b"P5 5 4 100\n" + bytes([101] * 20), "a value of 101 exceeds the largest, 100"),
        (b"P2 2 2 9\n1 2 3", "4 values are stated, 3 are there"),
        (b"P1 2 2\n1 2 3 4", "4 digits 0 or 1"),
        (b"P5 # no end", "its header is incomplete"),
        (b"P7\nWIDTH 2\nENDHDR\n", "lacks HEIGHT"),
        (b"P7\nWIDTH 2", "its header does not end"),
        (b"Pf\n2 2\n0\n" + bytes(16), "its scale is 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, content, message):
    (tmp_path / "a.pnm").write_bytes(content)
    with pytest.raises(ImageError, match=rf"a\.pnm is damaged or cut short: .*{message}"):
        read_image(tmp_path / "a.pnm")


def test_a_misnamed_file_is_refused(tmp_path):
    PIL.Image.new("L", (4, 4)).save(tmp_path / "a.ppm", "PNG")
    with pytest.raises(ImageError, match="is a PNG file; rename it"):
        read_image(tmp_path / "a.ppm")
