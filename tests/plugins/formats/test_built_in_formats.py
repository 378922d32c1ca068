"""Formats that the package itself reads, to OME-TIFF and OME-Zarr."""

from __future__ import annotations

import numpy as np
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


CASES = {
    "in.ome.tif": write_ome,
    "in.ome.zarr": write_ome,
    "imagej.tif": write_imagej,
    "in.fits": write_fits,
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
    if CASES[name] in (write_ome, write_imagej):
        assert image.pixel_size == pytest.approx({"Z": 0.3, "Y": 0.1, "X": 0.1})
        assert set(image.units.values()) == {"µm"}
    if CASES[name] is write_ome:
        assert tuple(image.channels) == ("DAPI", "GFP")
    if name == "in.fits":
        assert image.pixel_size == pytest.approx({"Y": 0.36, "X": 0.36})
