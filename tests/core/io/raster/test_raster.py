"""PNG and JPEG: bit depths, palettes, alpha, profiles, EXIF."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.PngImagePlugin
import pytest

from unblur.errors import ImageError, OutputError
from unblur.io import read_image, write_image
from unblur.io.raster.png import split_chunks
from unblur.model.image import Image

RNG = np.random.default_rng(11)
ICC = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def picture(*shape, dtype=np.uint8):
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def exif(orientation=6):
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "camera"
    return block.tobytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 2), (20, 30, 3), (20, 30, 4)])
def test_png_as_another_encoder_writes_it(tmp_path, shape, dtype):
    data = picture(*shape, dtype=dtype)
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(data))
    image = read_image(tmp_path / "in.png")
    expected = data if data.ndim == 2 else data.transpose(2, 0, 1)
    np.testing.assert_array_equal(image.data, expected)
    write_image(image, tmp_path / "out.png")
    raw = (tmp_path / "out.png").read_bytes()
    np.testing.assert_array_equal(imagecodecs.png_decode(raw), data)
    if dtype == np.uint8:  # a second reader; Pillow has no 16-bit colours
        with PIL.Image.open(tmp_path / "out.png") as found:
            np.testing.assert_array_equal(np.array(found), data)


def test_palettes_and_transparency_become_colours_and_alpha(tmp_path):
    source = PIL.Image.fromarray(picture(20, 30, 3)).quantize(16)
    source.save(tmp_path / "plain.png")
    source.save(tmp_path / "clear.png", transparency=3)
    image = read_image(tmp_path / "plain.png")
    expected = np.array(source.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(image.data, expected)
    clear = read_image(tmp_path / "clear.png")
    assert clear.channels == ("red", "green", "blue", "alpha")
    np.testing.assert_array_equal(clear.data[3] == 0, np.array(source) == 3)
    again = read_image(write_image(clear, tmp_path / "out.png"))
    np.testing.assert_array_equal(again.data, clear.data)


def test_one_bit_stays_one_bit(tmp_path):
    data = RNG.random((20, 30)) > 0.5
    PIL.Image.fromarray(data).save(tmp_path / "in.png")
    image = read_image(tmp_path / "in.png")
    assert (image.dtype, image.white) == (bool, 1)
    write_image(image, tmp_path / "out.png")
    with PIL.Image.open(tmp_path / "out.png") as found:
        assert found.mode == "1"
        np.testing.assert_array_equal(np.array(found), data)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_grey_levels_are_spread_as_png_defines_it(tmp_path, bits):
    levels = np.arange(2**bits, dtype=np.uint8)[None].repeat(4, 0)
    rows = b"".join(b"\0" + _packed(row, bits) for row in levels)
    header = struct.pack(">IIBBBBB", levels.shape[1], 4, bits, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    raw = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    (tmp_path / "in.png").write_bytes(raw)
    found = read_image(tmp_path / "in.png").data
    np.testing.assert_array_equal(found[0], np.round(np.linspace(0, 255, 2**bits)))


def _packed(row, bits):
    per = 8 // bits
    return bytes(
        sum(int(v) << (8 - bits * (i + 1)) for i, v in enumerate(row[a : a + per]))
        for a in range(0, len(row), per)
    )


def test_png_keeps_profile_exif_texts_and_density(tmp_path):
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Author", "someone")
    info.add_itxt("Title", "Grüße")
    PIL.Image.fromarray(picture(20, 30, 3)).save(
        tmp_path / "in.png", icc_profile=ICC, exif=exif(), pnginfo=info, dpi=(254, 508)
    )
    image = read_image(tmp_path / "in.png")
    assert image.metadata["icc"] == ICC
    assert image.pixel_size == pytest.approx({"X": 100, "Y": 50})
    write_image(image, tmp_path / "out.png")
    with PIL.Image.open(tmp_path / "out.png") as found:
        found.load()
        assert found.info["icc_profile"] == ICC
        assert found.getexif()[0x0112] == 6
        assert (found.info["Author"], found.info["Title"]) == ("someone", "Grüße")
        assert found.info["dpi"] == pytest.approx((254, 508), rel=1e-4)
    again = split_chunks((tmp_path / "out.png").read_bytes(), tmp_path)
    original = split_chunks((tmp_path / "in.png").read_bytes(), tmp_path)
    assert dict(again)[b"pHYs"] == dict(original)[b"pHYs"]


def test_a_screens_density_is_no_pixel_size(tmp_path):
    PIL.Image.fromarray(picture(20, 30)).save(tmp_path / "in.png", dpi=(72, 72))
    image = read_image(tmp_path / "in.png")
    assert image.pixel_size == {}
    write_image(image, tmp_path / "out.png")
    with PIL.Image.open(tmp_path / "out.png") as found:
        assert found.info["dpi"] == pytest.approx((72, 72), abs=0.1)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_loses_little_and_keeps_the_rest(tmp_path, mode):
    smooth = np.add.outer(np.arange(64) * 2, np.arange(80)).astype(np.uint8)
    data = smooth if mode == "L" else np.stack([smooth, 255 - smooth, smooth // 2], -1)
    source = PIL.Image.fromarray(data).convert(mode)
    source.save(
        tmp_path / "in.jpg", quality=98, exif=exif(), icc_profile=ICC, dpi=(300, 300),
        comment=b"a note",
    )  # fmt: skip
    image = read_image(tmp_path / "in.jpg")
    with PIL.Image.open(tmp_path / "in.jpg") as decoded:
        samples = np.array(decoded)
    np.testing.assert_array_equal(
        image.data, samples if samples.ndim == 2 else samples.transpose(2, 0, 1)
    )
    assert image.pixel_size["X"] == pytest.approx(25400 / 300, rel=1e-3)
    again = read_image(write_image(image, tmp_path / "out.jpg"))
    assert again.channels == image.channels
    assert np.abs(again.data.astype(int) - image.data.astype(int)).max() <= 6
    with PIL.Image.open(tmp_path / "out.jpg") as found:
        assert found.getexif()[0x0112] == 6
        assert found.info["icc_profile"] == ICC
        assert found.info["comment"] == b"a note"
        assert found.info["dpi"] == pytest.approx((300, 300))
        if mode == "RGB":
            assert found.layer[0][1:3] == found.layer[1][1:3] == (1, 1)  # no subsampling


def test_exif_and_profile_cross_over_to_png_and_tiff(tmp_path):
    PIL.Image.fromarray(picture(20, 30, 3)).save(tmp_path / "a.jpg", exif=exif(), icc_profile=ICC)
    image = read_image(tmp_path / "a.jpg")
    with PIL.Image.open(write_image(image, tmp_path / "a.png")) as found:
        found.load()
        assert (found.getexif()[0x010F], found.info["icc_profile"]) == ("camera", ICC)
    with PIL.Image.open(write_image(image, tmp_path / "a.tif")) as found:
        assert found.info["icc_profile"] == ICC


def test_formats_say_what_they_cannot_hold(tmp_path):
    cases = [
        ("a.png", Image(np.zeros((9, 9), np.float32), "YX"), "PNG holds bool, uint8, uint16, but"),
        ("a.jpg", Image(np.zeros((9, 9), np.uint16), "YX"), "JPEG holds uint8, but .* uint16"),
        ("a.png", Image(np.zeros((4, 9, 9), np.uint8), "ZYX"), "single 2-D image, .* 4 along Z"),
        ("a.jpg", Image(np.zeros((2, 9, 9), np.uint8), "TYX"), "single 2-D image, .* 2 along T"),
        ("a.png", Image(np.zeros((5, 9, 9), np.uint8), "CYX"), "5 channels; write .tif"),
        ("a.png", Image(np.zeros((2, 9, 9), np.uint8), "CYX", channels=("DAPI", "GFP")), "2 chan"),
        ("a.jpg", Image(np.zeros((4, 9, 9), np.uint8), "CYX",
                        channels=("red", "green", "blue", "alpha")), "4 channels and alpha"),
    ]  # fmt: skip
    cases.append(("a.jpg", Image(np.zeros((1, 70000), np.uint8), "YX"), "sides up to 65500"))
    for name, image, message in cases:
        with pytest.raises(OutputError, match=message):
            write_image(image, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_under_the_wrong_name_is_recognised(tmp_path):
    PIL.Image.fromarray(picture(20, 30)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png is a JPEG file; rename it"):
        read_image(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.zeros((4, 4)))
    (tmp_path / "a.npy").rename(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match=r"a\.jpg is a \.npy file; rename it"):
        read_image(tmp_path / "a.jpg")


def test_decompression_bombs_are_refused_before_they_burst(tmp_path):
    held = io.BytesIO()
    PIL.Image.new("L", (8, 8)).save(held, "PNG")
    chunks = split_chunks(held.getvalue(), tmp_path)
    header = struct.pack(">II", 60000, 60000) + chunks[0][1][8:]
    chunks[0] = (b"IHDR", header)
    raw = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    (tmp_path / "bomb.png").write_bytes(raw)
    with pytest.raises(ImageError, match=r"bomb\.png decompresses from \d+ bytes to 60000 x 60000"):
        read_image(tmp_path / "bomb.png")
    held = io.BytesIO()
    PIL.Image.new("L", (8, 8)).save(held, "JPEG")
    raw = bytearray(held.getvalue())
    at = raw.index(b"\xff\xc0") + 5
    raw[at : at + 4] = struct.pack(">HH", 60000, 60000)
    (tmp_path / "bomb.jpg").write_bytes(bytes(raw))
    with pytest.raises(ImageError, match="decompression bomb"):
        read_image(tmp_path / "bomb.jpg")


def test_jpeg_is_the_one_lossy_format():
    from unblur.io import WRITERS

    assert [w.name for w in WRITERS if w.lossy] == ["jpeg"]


def test_a_picture_in_four_inks_is_refused_by_name(tmp_path):
    PIL.Image.fromarray(np.zeros((9, 9, 4), np.uint8), "CMYK").save(tmp_path / "a.jpg")
    image = read_image(tmp_path / "a.jpg")
    with pytest.raises(OutputError, match=r"four inks of a printer \(CMYK\); convert it to RGB"):
        write_image(image, tmp_path / "b.png")
    write_image(image, tmp_path / "b.jpg")


@pytest.mark.parametrize(("suffix", "channels"), [("webp", 3), ("webp", 4), ("bmp", 3)])
def test_webp_and_bmp_are_read_and_their_result_is_a_png(tmp_path, suffix, channels):
    data = picture(20, 30, channels)
    options = {"lossless": True, "exact": True, "icc_profile": ICC, "exif": exif()}
    path = tmp_path / f"in.{suffix}"
    PIL.Image.fromarray(data).save(path, **(options if suffix == "webp" else {}))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, data.transpose(2, 0, 1))
    write_image(image, tmp_path / "out.png")
    with PIL.Image.open(tmp_path / "out.png") as found:
        np.testing.assert_array_equal(np.array(found), data)
        if suffix == "webp":
            assert found.info["icc_profile"] == ICC
            assert found.getexif()[0x0112] == 6


def test_grey_bits_and_palettes_of_bmp(tmp_path):
    grey = picture(20, 30)
    for name, source in {
        "L": PIL.Image.fromarray(grey),
        "1": PIL.Image.fromarray(grey > 99),
        "P": PIL.Image.fromarray(picture(20, 30, 3)).quantize(16),
    }.items():
        source.save(tmp_path / "in.bmp")
        expected = np.array(source.convert("RGB") if name == "P" else source)
        found = np.asarray(read_image(tmp_path / "in.bmp").data)
        np.testing.assert_array_equal(
            found if found.ndim == 2 else found.transpose(1, 2, 0), expected
        )


def test_webp_that_is_cut_short_or_misnamed_is_refused(tmp_path):
    whole = io.BytesIO()
    PIL.Image.fromarray(picture(20, 30, 3)).save(whole, "WEBP", lossless=True)
    path = tmp_path / "in.webp"
    path.write_bytes(whole.getvalue()[:-40])
    with pytest.raises(ImageError, match=r"in\.webp is damaged"):
        read_image(path)
    PIL.Image.fromarray(picture(20, 30, 3)).save(path, "PNG")
    with pytest.raises(ImageError, match="is a PNG file; rename it"):
        read_image(path)


def test_further_pictures_of_a_jpeg_are_named(tmp_path):
    first, second = (PIL.Image.fromarray(picture(16, 24, 3)) for _ in range(2))
    for name in ("a.jpg", "a.mpo"):
        first.save(tmp_path / name, "MPO", save_all=True, append_images=[second])
        image = read_image(tmp_path / name)
        (note,) = image.metadata["notes"]
        assert f"{name} holds 2 pictures, of which this is the first" in note
    first.save(tmp_path / "one.jpg")
    assert "notes" not in read_image(tmp_path / "one.jpg").metadata
    np.testing.assert_array_equal(image.data, read_image(tmp_path / "one.jpg").data)


@pytest.mark.parametrize("kept", [4, 9, 12, 20])
def test_a_damaged_index_of_pictures_is_no_index(tmp_path, kept):
    first, second = (PIL.Image.fromarray(picture(16, 24)) for _ in range(2))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    raw = (tmp_path / "a.jpg").read_bytes()
    place = raw.index(b"MPF\0") + 4
    size = int.from_bytes(raw[place - 6 : place - 4], "big") - 6
    (tmp_path / "a.jpg").write_bytes(
        raw[: place + kept] + b"\xff" * (size - kept) + raw[place + size :]
    )
    assert read_image(tmp_path / "a.jpg").data.shape == (16, 24)
