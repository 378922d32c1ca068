"""GIF, and the frames of GIF, WebP and PNG, which are T."""

import zlib

import numpy as np
import PIL.Image
import pytest

from unblur.errors import ImageError, OutputError
from unblur.io import read_image, write_image
from unblur.io.raster.png import SIGNATURE, split_chunks

RNG = np.random.default_rng(6)
PALETTE = RNG.integers(0, 256, (16, 3), dtype=np.uint8)


def frames_of(count, colours=PALETTE):
    return [
        PIL.Image.fromarray(colours[RNG.integers(0, 16, (9, 13))]).quantize(16)
        for _ in range(count)
    ]


def as_rgb(frames):
    return np.stack([np.array(frame.convert("RGB")) for frame in frames]).transpose(0, 3, 1, 2)


def test_a_gif_becomes_colours_and_its_result_a_png(tmp_path):
    (frame,) = frames_of(1)
    frame.save(tmp_path / "a.gif")
    image = read_image(tmp_path / "a.gif")
    assert (image.axes, image.white, image.dtype) == ("CYX", 255, np.uint8)
    np.testing.assert_array_equal(image.data, as_rgb([frame])[0])
    again = read_image(write_image(image, tmp_path / "b.png"))
    np.testing.assert_array_equal(again.data, image.data)


def test_grey_and_transparency_of_a_gif(tmp_path):
    grey = RNG.integers(0, 256, (9, 13), dtype=np.uint8)
    PIL.Image.fromarray(grey).save(tmp_path / "a.gif")
    image = read_image(tmp_path / "a.gif")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, grey)
    (frame,) = frames_of(1)
    frame.save(tmp_path / "b.gif", transparency=3)
    image = read_image(tmp_path / "b.gif")
    assert image.channels == ("red", "green", "blue", "alpha")
    np.testing.assert_array_equal(image.data[3] == 0, np.array(frame) == 3)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_frames_are_times(tmp_path, suffix):
    frames = frames_of(3)
    options = {"lossless": True} if suffix == "webp" else {}
    first = frames[0] if suffix == "gif" else frames[0].convert("RGB")
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=frames[1:], duration=40, **options)
    image = read_image(path)
    assert (image.axes, image.metadata["file_axes"]) == ("TCYX", "TYXC")
    np.testing.assert_array_equal(image.data, as_rgb(frames))
    assert image.pixel_size == {}  # how long a frame is shown is not when it was taken
    with pytest.raises(OutputError, match=r"3 along T; write \.tif"):
        write_image(image, tmp_path / "c.png")
    np.testing.assert_array_equal(
        read_image(write_image(image, tmp_path / "b.tif")).data, image.data
    )


def test_grey_frames_stay_grey(tmp_path):
    grey = [PIL.Image.fromarray(RNG.integers(0, 256, (9, 13), dtype=np.uint8)) for _ in range(2)]
    grey[0].save(tmp_path / "a.gif", save_all=True, append_images=grey[1:])
    image = read_image(tmp_path / "a.gif")
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.data, np.stack([np.array(frame) for frame in grey]))


def test_what_is_wrong_with_a_gif_is_said(tmp_path, monkeypatch):
    path = tmp_path / "a.gif"
    frames_of(1)[0].save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(ImageError, match=r"a\.gif is damaged"):
        read_image(path)
    path.write_bytes(whole)
    with pytest.raises(ImageError, match="leave out --axes TYX"):
        read_image(path, axes="TYX")
    monkeypatch.setattr("unblur.io.size_limits.MAX_UNCHECKED_BYTES", 100)
    path.write_bytes(whole[:6] + b"\xff\xff\xff\xff" + whole[10:])
    with pytest.raises(ImageError, match="like a decompression bomb"):
        read_image(path)


def test_the_picture_in_place_of_an_animation_is_no_frame(tmp_path):
    frames = [frame.convert("RGB") for frame in frames_of(3)]
    options = {"save_all": True, "append_images": frames[1:], "default_image": True}
    frames[0].save(tmp_path / "a.png", **options)
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.data, as_rgb(frames[1:]))


def test_what_is_wrong_with_an_animated_png_is_said(tmp_path):
    deep = [PIL.Image.fromarray(RNG.integers(0, 9, (9, 13), dtype=np.uint16)) for _ in range(2)]
    deep[0].save(tmp_path / "a.png", save_all=True, append_images=deep[1:])
    with pytest.raises(ImageError, match=r"2 pictures of 16 bits, .* save its pictures as PNG"):
        read_image(tmp_path / "a.png")
    first, *others = frames_of(2)
    first.save(tmp_path / "b.png", save_all=True, append_images=others)
    chunks = split_chunks((tmp_path / "b.png").read_bytes(), tmp_path / "b.png")
    for stated, words in ((3, "damaged"), (2**31, "states 2147483648 pictures")):
        raw = SIGNATURE
        for kind, data in chunks:
            content = kind + (stated.to_bytes(4, "big") + data[4:] if kind == b"acTL" else data)
            raw += len(data).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
        (tmp_path / "b.png").write_bytes(raw)
        with pytest.raises(ImageError, match=words):
            read_image(tmp_path / "b.png")
