"""Whatever is wrong with a file or a name: one sentence that says so, and nothing half-written."""

import io
import os

import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr
from astropy.io import fits
from messages_for_tests import one_line

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur.model.image import Image, check_deblurrable

RNG = np.random.default_rng(17)
IMAGE = Image(RNG.integers(0, 255, (40, 50), dtype=np.uint8), "YX")


def test_names_that_lead_nowhere(tmp_path):
    write_image(IMAGE, tmp_path / "cells.tif")
    with pytest.raises(ImageError, match=r"no file .*cell\.tif; did you mean 'cells\.tif'\?"):
        read_image(tmp_path / "cell.tif")
    with pytest.raises(ImageError, match="the folder .*nowhere does not exist"):
        read_image(tmp_path / "nowhere" / "a.tif")
    with pytest.raises(ImageError, match=r"is a folder; give .* a glob such as '.*\*\.tif'"):
        read_image(tmp_path)
    (tmp_path / "a.tif").touch()
    with pytest.raises(ImageError, match=r"a\.tif is empty \(0 bytes\)"):
        read_image(tmp_path / "a.tif")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(
        ImageError,
        match=r"suffix '\.txt', which no reader supports; convert it .*\. Known: .*\.fits",
    ):
        read_image(tmp_path / "notes.txt")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    with pytest.raises(ImageError, match="its content is a PDF; convert it to PNG or TIFF"):
        read_image(tmp_path / "a.pdf")
    PIL.Image.new("L", (4, 4)).save(tmp_path / "noext", "PNG")
    with pytest.raises(ImageError, match="its content is a PNG file; rename it"):
        read_image(tmp_path / "noext")
    PIL.Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="holds a single image; leave out"):
        read_image(tmp_path / "a.png[1]")


def test_what_to_do_with_a_file_that_its_reader_fails_on(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + b"\xff" * 50)
    with pytest.raises(ImageError, match=r"cannot be read as TIFF .* may be damaged or cut short"):
        read_image(tmp_path / "a.tif")
    PIL.Image.new("L", (4, 4)).save(tmp_path / "b.tif", "PNG")
    with pytest.raises(ImageError, match=r"TIFF .*; its content is a PNG file; rename it\.$"):
        read_image(tmp_path / "b.tif")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read(tmp_path):
    write_image(IMAGE, tmp_path / "a.tif")
    (tmp_path / "a.tif").chmod(0)
    with pytest.raises(ImageError, match="cannot be opened: permission denied"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".fits", ".fits.gz", ".npy", ".npz"])
def test_a_text_is_no_image(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("this is not an image\n" * 9)
    with pytest.raises(ImageError, match=rf"a\{suffix}") as info:
        read_image(path)
    one_line(info)


def files(folder):
    """Make one good file of every kind, and return their paths."""
    data = RNG.integers(0, 60000, (4, 120, 130)).astype(np.uint16)
    colours = RNG.integers(0, 255, (120, 130, 3), dtype=np.uint8)
    made = {}
    for name, options in {
        "strip.tif": {}, "pages.tif": {"metadata": None}, "tile.tif": {"tile": (32, 32)},
        "zip.tif": {"compression": "zlib"}, "lzw.tif": {"compression": "lzw", "rowsperstrip": 9},
        "big.tif": {"bigtiff": True}, "ij.tif": {"imagej": True}, "x.ome.tif": {},
    }.items():  # fmt: skip
        tifffile.imwrite(folder / name, data, photometric="minisblack", **options)
        made[name] = data
    PIL.Image.fromarray(colours).save(folder / "a.png")
    PIL.Image.fromarray(colours).save(folder / "a.jpg", quality=90)
    np.save(folder / "a.npy", data)
    np.savez(folder / "a.npz", data)
    fits.PrimaryHDU(data[0].astype(np.float32)).writeto(folder / "a.fits")
    fits.PrimaryHDU(data[0]).writeto(folder / "a.fits.gz")
    fits.CompImageHDU(data[0].astype(np.int32)).writeto(folder / "a.fits.fz")
    return sorted(folder.iterdir())


def test_files_cut_short_are_never_read_as_whole(tmp_path, attempt):
    """At no cut does a reader return other pixels than the whole file's, or another error."""
    for path in files(tmp_path):
        whole = np.asarray(read_image(path).data)
        raw = path.read_bytes()
        for part in (0.999, 0.97, 0.75, 0.5, 0.2, 0.05, 0.01):
            path.write_bytes(raw[: int(len(raw) * part)])
            for lazy in (False, True):
                image, refusal = attempt(read_image, path, lazy=lazy)
                found = None
                if image is not None:
                    found, refusal = attempt(np.asarray, image.data)
                if found is not None:
                    np.testing.assert_array_equal(found, whole, err_msg=f"{path.name} {part}")
                else:
                    assert str(path) in refusal
                    assert "\n" not in refusal


def test_a_tiff_that_lost_its_last_pages_is_not_taken_for_a_shorter_stack(tmp_path):
    """The list of pages runs off the end of the file, which tifffile alone would forgive."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for _ in range(6):
            tif.write(RNG.integers(0, 9, (40, 50)).astype(np.uint16), metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        cut = tif.pages[4].offset
    os.truncate(tmp_path / "a.tif", cut)
    assert len(tifffile.imread(tmp_path / "a.tif")) == 4
    with pytest.raises(ImageError, match=r"a\.tif is cut short or damaged: .* after 4"):
        read_image(tmp_path / "a.tif")


def test_empty_complex_and_strange_arrays(tmp_path):
    np.save(tmp_path / "empty.npy", np.zeros((0, 5)))
    tifffile.imwrite(tmp_path / "empty.tif", np.zeros((0, 5)))
    zarr.create_array(tmp_path / "empty.zarr", shape=(0, 5), dtype="u1")
    for name in ("empty.npy", "empty.tif", "empty.zarr"):
        with pytest.raises(ImageError, match="the image is empty"):
            read_image(tmp_path / name)
    values = np.zeros((5, 5), np.complex64)
    np.save(tmp_path / "complex.npy", values)
    tifffile.imwrite(tmp_path / "complex.tif", values)
    zarr.create_array(tmp_path / "complex.zarr", shape=(5, 5), dtype="c8")
    for name in ("complex.npy", "complex.tif", "complex.zarr"):
        with pytest.raises(ImageError, match=rf"{name}: complex values cannot be deblurred"):
            read_image(tmp_path / name)
    np.save(tmp_path / "text.npy", np.array([["a", "b"]]))
    with pytest.raises(ImageError, match="expected numbers"):
        read_image(tmp_path / "text.npy")
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(ImageError, match=r"objects\.npy cannot be read"):
        read_image(tmp_path / "objects.npy")


def test_axes_that_are_unknown_or_do_not_fit(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5)))
    with pytest.raises(ImageError, match=r"name its 4 axes of lengths 2 x 3 x 4 x 5; .*--axes"):
        read_image(tmp_path / "a.npy")
    for axes, message in {
        "TQYX": "--axes TQYX has the unknown letter 'Q'; known are T",
        "ZYX": "names 3 axes, but the file has 4",
        "TTYX": "each axis once",
        "TCZX": "names Y, X",
    }.items():
        with pytest.raises(ImageError, match=message):
            read_image(tmp_path / "a.npy", axes=axes)
    assert read_image(tmp_path / "a.npy", axes="tzyx").axes == "TZYX"
    write_image(IMAGE, tmp_path / "a.png")
    with pytest.raises(ImageError, match="the image has the axes YX; leave out --axes XY"):
        read_image(tmp_path / "a.png", axes="XY")


def test_a_header_that_promises_more_than_memory_is_refused(tmp_path):
    zarr.create_array(tmp_path / "huge.zarr", shape=(10**6, 10**6), dtype="u2", chunks=(1024, 1024))
    with pytest.raises(ImageError, match=r"huge\.zarr declares \d+ GiB"):
        read_image(tmp_path / "huge.zarr")
    assert read_image(tmp_path / "huge.zarr", lazy=True).shape == (10**6, 10**6)


def test_what_can_be_read_but_not_deblurred(tmp_path):
    write_image(Image(np.array([[7]], np.uint8), "YX"), tmp_path / "one.tif")
    with pytest.raises(ImageError, match=r"one\.tif: a single pixel"):
        check_deblurrable(read_image(tmp_path / "one.tif"))
    blank = np.full((700, 600), np.nan, np.float32)
    write_image(Image(blank, "YX"), tmp_path / "nan.ome.zarr")
    for lazy in (False, True):
        with pytest.raises(ImageError, match=r"nan\.ome\.zarr: every pixel is NaN or infinite"):
            check_deblurrable(read_image(tmp_path / "nan.ome.zarr", lazy=lazy))
    blank[650, 20] = 1
    write_image(Image(blank, "YX"), tmp_path / "some.ome.zarr")
    check_deblurrable(read_image(tmp_path / "some.ome.zarr", lazy=True))


def test_fuzzed_bytes_raise_image_errors_alone(tmp_path, attempt):
    for path in files(tmp_path):
        raw = path.read_bytes()
        for _ in range(12):
            altered = bytearray(raw)
            head = RNG.random() < 0.7
            for _ in range(int(RNG.integers(1, 6))):
                at = int(RNG.integers(0, min(len(raw), 400) if head else len(raw)))
                altered[at] = int(RNG.integers(0, 256))
            path.write_bytes(bytes(altered))
            image, refusal = attempt(read_image, path)
            assert "\n" not in (refusal or "")
            assert refusal or image.data.size > 0


def test_an_image_in_memory_is_no_path():
    with pytest.raises(TypeError):
        read_image(io.BytesIO(b""))
