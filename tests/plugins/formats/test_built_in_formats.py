"""Formats that the package itself reads, to OME-TIFF and OME-Zarr."""

from __future__ import annotations

import imagecodecs
import numpy as np
import PIL
import pytest
import tifffile
from PIL import Image as Picture

from unblur.io import read_image, write_image
from unblur.model.image import Image

VALUES = np.arange(2 * 3 * 16 * 20, dtype=np.uint16).reshape(2, 3, 16, 20)
"""Two channels of three planes."""


def write_ome(path):
    sizes, units = {"Z": 0.3, "Y": 0.1, "X": 0.1}, dict.fromkeys("ZYX", "µm")
    write_image(Image(VALUES, "CZYX", sizes, units, channels=("DAPI", "GFP")), path)


def write_imagej(path):
    tifffile.imwrite(
        path,
        VALUES.swapaxes(0, 1),
        imagej=True,
        resolution=(10, 10),
        metadata={"axes": "ZCYX", "spacing": 0.3, "unit": "um", "Labels": ["DAPI", "GFP"] * 3},
    )


def write_fits(path):
    fits = pytest.importorskip("astropy.io.fits")
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CDELT1": -1e-4, "CDELT2": 1e-4, "CRVAL1": 10.0, "CRVAL2": 20.0})
    fits.PrimaryHDU(VALUES[0, 0].astype(np.float32), header).writeto(path)


def write_picture(path):
    colours = np.moveaxis(VALUES.reshape(6, 16, 20)[:3].astype(np.uint8), 0, -1)
    Picture.fromarray(colours).save(path)


def write_compressed_fits(path):
    fits = pytest.importorskip("astropy.io.fits")
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -1e-4})
    header.update({"CDELT2": 1e-4, "CRVAL1": 10.0, "CRVAL2": 20.0})
    fits.CompImageHDU(VALUES[0, 0].astype(np.int32), header).writeto(path)


def write_zarr(path):
    sizes, units = {"Z": 0.3, "Y": 0.1, "X": 0.1}, dict.fromkeys("ZYX", "µm")
    write_image(Image(VALUES, "CZYX", sizes, units, channels=("DAPI", "GFP")), path)


def write_by_codec(path):
    if path.suffix == ".avif":
        pytest.importorskip("PIL.AvifImagePlugin", reason="Pillow before 11.3 reads no AVIF")
    encode = {".avif": imagecodecs.avif_encode, ".jxl": imagecodecs.jpegxl_encode}[path.suffix]
    path.write_bytes(encode(np.moveaxis(VALUES.reshape(6, 16, 20)[:3].astype(np.uint8), 0, -1)))


def write_frames(path):
    first, *others = (Picture.fromarray(v.astype(np.uint8)) for v in VALUES.reshape(6, 16, 20))
    kind = "MPO" if path.suffix == ".mpo" else None
    if kind and int(PIL.__version__.split(".")[0]) < 11:
        pytest.skip("Pillow 10 writes a damaged MPO of such frames")
    first.save(path, kind, save_all=True, append_images=others, duration=100)


def write_pfm(path):
    path.write_bytes(b"Pf\n20 16\n-1\n" + VALUES[0, 0, ::-1].astype("<f4").tobytes())


CASES = {
    "in.ome.tif": write_ome,
    "in.ome.zarr": write_ome,
    "imagej.tif": write_imagej,
    "in.fits": write_fits,
    "in.fits.fz": write_compressed_fits,
    "in.zarr": write_zarr,
    "in.npz": lambda path: np.savez(path, VALUES[0, 0]),
    "in.pfm": write_pfm,
    **dict.fromkeys(("in.avif", "in.jxl"), write_by_codec),
    **dict.fromkeys(("frames.gif", "frames.png", "frames.webp", "in.mpo"), write_frames),
    "in.npy": lambda path: np.save(path, VALUES[0, 0]),
    **dict.fromkeys(
        ("in.png", "in.jpg", "in.webp", "in.bmp", "in.ppm", "in.gif", "in.jp2"), write_picture
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_pixel_size_and_channel_names_are_those_of_the_file(tmp_path, check_outputs, name):
    CASES[name](tmp_path / name)
    image = read_image(tmp_path / name)
    check_outputs(image)
    if CASES[name] in (write_ome, write_imagej, write_zarr):
        assert image.pixel_size == pytest.approx({"Z": 0.3, "Y": 0.1, "X": 0.1})
        assert set(image.units.values()) == {"µm"}
    if CASES[name] in (write_ome, write_zarr):
        assert tuple(image.channels) == ("DAPI", "GFP")
    if name in ("in.fits", "in.fits.fz"):
        assert image.pixel_size == pytest.approx({"Y": 0.36, "X": 0.36})
