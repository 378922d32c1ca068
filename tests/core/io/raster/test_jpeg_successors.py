"""JPEG 2000, JPEG XL and AVIF: bit depths, channels, orientation and what the files state."""

import io
import struct

import imagecodecs
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import pytest

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur.io.raster.boxes import split_boxes
from unblur.io.raster.jpegxl_header import read_header

RNG = np.random.default_rng(8)
ICC = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def pixels(samples, bits=8):
    shape = (20, 28) if samples == 1 else (20, 28, samples)
    return RNG.integers(0, 2**bits, shape).astype(np.uint8 if bits == 8 else np.uint16)


def exif(orientation=6):
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "camera"
    return block.tobytes()


def as_image(values):
    return values if values.ndim == 2 else values.transpose(2, 0, 1)


def check_png_again(image, tmp_path):
    again = read_image(write_image(image, tmp_path / "again.png"))
    np.testing.assert_array_equal(again.data, image.data)
    assert again.white == image.white


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("samples", [1, 3])
def test_the_bit_depth_of_jpeg2000_is_kept(tmp_path, samples, bits):
    values = pixels(samples, bits)
    raw = imagecodecs.jpeg2k_encode(values, level=0, codecformat="JP2", bitspersample=bits)
    (tmp_path / "a.jp2").write_bytes(raw)
    image = read_image(tmp_path / "a.jp2")
    np.testing.assert_array_equal(image.data, as_image(values))
    assert (image.white, image.dtype) == (2**bits - 1, values.dtype)
    check_png_again(image, tmp_path)
    codestream = next(content for kind, content in split_boxes(raw) if kind == b"jp2c")
    (tmp_path / "a.j2k").write_bytes(codestream)
    np.testing.assert_array_equal(read_image(tmp_path / "a.j2k").data, image.data)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_jpeg2000_as_pillow_writes_it(tmp_path, mode):
    source = PIL.Image.fromarray(pixels(4)).convert(mode)
    source.save(tmp_path / "a.jp2")
    image = read_image(tmp_path / "a.jp2")
    np.testing.assert_array_equal(image.data, as_image(np.array(source)))
    assert ("alpha" in image.channels) == mode.endswith("A")


def with_header_boxes(raw, *extra, profile=None):
    """Return a JPEG 2000 file with boxes added to its header, and its colours by a profile."""
    parts = []
    for kind, content in split_boxes(raw):
        if kind == b"jp2h":
            inner = [box(k, c) for k, c in split_boxes(content) if not (profile and k == b"colr")]
            if profile:
                inner.append(box(b"colr", b"\2\0\0" + profile))
            content = b"".join(inner) + b"".join(extra)
        parts.append(box(kind, content))
        if kind == b"jp2c":  # imagecodecs 2024.6 leaves a remainder behind it
            break
    return b"".join(parts)


def test_jpeg2000_keeps_profile_exif_and_resolution(tmp_path):
    raw = imagecodecs.jpeg2k_encode(pixels(3), level=0, codecformat="JP2")
    # 4000 / 10 * 10**2 samples per metre down, 2000 / 5 * 10**2 across
    density = box(b"res ", box(b"resc", struct.pack(">HHHHbb", 4000, 10, 2000, 20, 2, 2)))
    block = exif().removeprefix(b"Exif\0\0")
    raw = with_header_boxes(raw, density, profile=ICC) + box(b"uuid", b"JpgTiffExif->JP2" + block)
    (tmp_path / "a.jp2").write_bytes(raw)
    image = read_image(tmp_path / "a.jp2")
    assert image.metadata["icc"] == ICC
    assert image.pixel_size == pytest.approx({"Y": 25, "X": 100})
    write_image(image, tmp_path / "b.png")
    with PIL.Image.open(tmp_path / "b.png") as found:
        assert (found.getexif()[0x0112], found.info["icc_profile"]) == (6, ICC)


def test_a_remainder_behind_a_jpeg2000_image_is_left_out(tmp_path):
    values = pixels(3)
    raw = imagecodecs.jpeg2k_encode(values, level=0, codecformat="JP2")
    (tmp_path / "a.jp2").write_bytes(raw + b"\x00\x01remainder")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jp2").data, as_image(values))


def test_bands_of_jpeg2000_are_no_alpha(tmp_path):
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(pixels(4), level=0))
    image = read_image(tmp_path / "a.jp2")
    assert (image.extent("C"), image.channels) == (4, ())


def test_signed_values_of_jpeg2000(tmp_path):
    values = pixels(1, 12).astype(np.int16) - 2048
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(values, level=0, bitspersample=12))
    image = read_image(tmp_path / "a.jp2")
    np.testing.assert_array_equal(image.data, values)
    assert image.white == 2047


def test_what_is_wrong_with_a_jpeg2000_file_is_said(tmp_path, monkeypatch):
    path = tmp_path / "a.jp2"
    raw = imagecodecs.jpeg2k_encode(pixels(3), level=0, codecformat="JP2")
    path.write_bytes(raw[:60])
    with pytest.raises(ImageError, match=r"a\.jp2 is damaged or cut short"):
        read_image(path)
    path.write_bytes(raw.replace(struct.pack(">I", 16), struct.pack(">I", 18), 1))
    with pytest.raises(ImageError, match="colour space sYCC"):
        read_image(path)
    place = raw.index(b"\xff\x51") + 38
    unlike = raw[: place + 3] + b"\x07\x02\x02" + raw[place + 6 :]
    path.write_bytes(unlike)
    with pytest.raises(ImageError, match="unlike bit depths or resolutions"):
        read_image(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match="is a PNG file; rename it"):
        read_image(path)
    monkeypatch.setattr("unblur.io.size_limits.MAX_UNCHECKED_BYTES", 100)
    monkeypatch.setattr("unblur.io.size_limits.MAX_EXPANSION", 1)
    path.write_bytes(raw.replace(struct.pack(">II", 28, 20), struct.pack(">II", 28000, 20000)))
    with pytest.raises(ImageError, match="like a decompression bomb"):
        read_image(path)


def jpegxl(values, bits, **options):
    return imagecodecs.jpegxl_encode(values, lossless=True, bitspersample=bits, **options)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_the_bit_depth_of_jpegxl_is_kept(tmp_path, samples, bits):
    if bits in (10, 12) and imagecodecs.__version__ < "2025":
        pytest.skip("imagecodecs 2024.6 writes 16 bits whatever it is asked for")
    values = pixels(samples, bits)
    for is_boxed in (False, True):
        (tmp_path / "a.jxl").write_bytes(jpegxl(values, bits, usecontainer=is_boxed))
        image = read_image(tmp_path / "a.jxl")
        np.testing.assert_array_equal(image.data, as_image(values))
        assert (image.white, image.dtype) == (2**bits - 1, values.dtype)
        assert ("alpha" in image.channels) == (samples in (2, 4))
        # Its encoder states that values of more than 8 bits are linear.
        assert ("notes" in image.metadata) == (bits > 8)
    check_png_again(image, tmp_path)


def test_floats_and_times_of_jpegxl(tmp_path):
    values = RNG.random((20, 28)).astype(np.float32)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(values, lossless=True))
    image = read_image(tmp_path / "a.jxl")
    np.testing.assert_array_equal(image.data, values)
    assert image.white == 1
    frames = np.stack([pixels(3) for _ in range(3)])
    raw = imagecodecs.jpegxl_encode(frames, lossless=True, photometric="rgb")
    (tmp_path / "a.jxl").write_bytes(raw)
    image = read_image(tmp_path / "a.jxl")
    assert image.axes == "TCYX"
    np.testing.assert_array_equal(image.data, frames.transpose(0, 3, 1, 2))


def turned(raw, orientation):
    """Return a codestream of sRGB with one more statement in its header: the orientation."""
    number = int.from_bytes(raw[2:], "little")
    begin = next(n for n in range(80) if _metadata_begins(number, n, raw))
    end = read_header(raw).end
    head = [(number >> n) & 1 for n in range(end + 3)]  # extensions 00, default transform 1
    assert head[end:] == [0, 0, 1]
    stated = [1, *((orientation - 1) >> n & 1 for n in range(3)), 0, 0, 0]
    # With that statement the header also has one of the tone mapping, 1 for the usual one.
    bits = [*head[: begin + 1], *stated, *head[begin + 2 : end], 1, *head[end:]]
    rest = raw[2 + -(-(end + 3) // 8) :]
    packed = sum(bit << n for n, bit in enumerate(bits))
    return raw[:2] + packed.to_bytes(-(-len(bits) // 8), "little") + rest


def _metadata_begins(number, place, raw):
    """Return whether the bits of the size, as the test's pictures have it, end at a place."""
    small = number & 1
    return place == (1 + 5 + 3 + 5 if small else 1 + 2 + 9 + 3 + 2 + 9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_jpegxl_is_applied(tmp_path, orientation):
    values = pixels(3)
    raw = turned(jpegxl(values, 8, usecontainer=False), orientation)
    block = exif(orientation).removeprefix(b"Exif\0\0")
    start = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    path = tmp_path / "a.jxl"
    path.write_bytes(start + box(b"Exif", bytes(4) + block) + box(b"jxlc", raw))
    image = read_image(path)
    source = PIL.Image.fromarray(values)
    source.getexif()[0x0112] = orientation
    expected = np.array(PIL.ImageOps.exif_transpose(source))
    np.testing.assert_array_equal(image.data, expected.transpose(2, 0, 1))
    write_image(image, tmp_path / "b.png")
    with PIL.Image.open(tmp_path / "b.png") as found:
        assert (found.getexif()[0x0112], found.getexif()[0x010F]) == (1, "camera")


def test_what_is_wrong_with_a_jpegxl_file_is_said(tmp_path, monkeypatch):
    path = tmp_path / "a.jxl"
    raw = jpegxl(pixels(3), 8)
    path.write_bytes(raw[:30])
    with pytest.raises(ImageError, match=r"a\.jxl is damaged or cut short"):
        read_image(path)
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ImageError, match=r"a\.jxl"):
        read_image(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match="is a PNG file; rename it"):
        read_image(path)
    path.write_bytes(jpegxl(np.zeros((3000, 3000), np.uint8), 8))
    monkeypatch.setattr("unblur.io.size_limits.MAX_UNCHECKED_BYTES", 100)
    with pytest.raises(ImageError, match="like a decompression bomb"):
        read_image(path)
    path.write_bytes(raw)
    monkeypatch.setattr(imagecodecs.JPEGXL, "available", False)
    with pytest.raises(ImageError, match="convert it to PNG by `djxl`"):
        read_image(path)


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_avif_as_pillow_writes_it(tmp_path, samples):
    pytest.importorskip("PIL.AvifImagePlugin")
    path = tmp_path / "a.avif"
    source = PIL.Image.fromarray(np.kron(pixels(samples)[:10, :14], np.ones((2, 2, 1), np.uint8))
                                 if samples > 1 else pixels(1))  # fmt: skip
    source.save(path, quality=90, exif=exif(), icc_profile=ICC, speed=10)
    image = read_image(path)
    with PIL.Image.open(path) as found:
        expected = np.array(found)
        assert found.getexif()[0x0112] == 6
    if samples == 1:  # Pillow has grey pictures as colours
        expected = expected[..., 0] if expected.ndim == 3 else expected
    assert image.data.shape == as_image(expected).shape
    assert np.abs(image.data.astype(int) - as_image(expected)).max() <= 2
    assert ("alpha" in image.channels) == (samples == 4)
    assert image.metadata["icc"] == ICC
    write_image(image, tmp_path / "b.png")
    with PIL.Image.open(tmp_path / "b.png") as again:
        assert again.getexif()[0x0112] == 6


@pytest.mark.parametrize("bits", [10, 12])
def test_the_bit_depth_of_avif_is_kept(tmp_path, bits):
    pytest.importorskip("PIL.AvifImagePlugin")
    values = pixels(3, bits)
    raw = imagecodecs.avif_encode(values, level=100, speed=10, bitspersample=bits)
    (tmp_path / "a.avif").write_bytes(raw)
    image = read_image(tmp_path / "a.avif")
    np.testing.assert_array_equal(image.data, values.transpose(2, 0, 1))
    assert (image.white, image.dtype) == (2**bits - 1, np.uint16)
    check_png_again(image, tmp_path)


def test_a_sequence_and_what_is_wrong_with_an_avif_file(tmp_path):
    pytest.importorskip("PIL.AvifImagePlugin")
    path = tmp_path / "a.avif"
    frames = [PIL.Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:], quality=90, speed=10)
    image = read_image(path)
    assert image.axes == "TCYX"
    assert image.data.mean((1, 2, 3)) == pytest.approx([10, 200], abs=2)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(ImageError, match=r"a\.avif is damaged"):
        read_image(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match="is a PNG file; rename it"):
        read_image(path)


def test_avif_of_high_dynamic_range_is_noted(tmp_path):
    pytest.importorskip("PIL.AvifImagePlugin")
    raw = io.BytesIO()
    PIL.Image.fromarray(pixels(3)).save(raw, "AVIF", speed=10)
    data = bytearray(raw.getvalue())
    place = data.index(b"colrnclx")
    data[place + 10 : place + 12] = b"\0\x10"
    (tmp_path / "a.avif").write_bytes(data)
    assert "transfer function 16" in read_image(tmp_path / "a.avif").metadata["notes"][0]
