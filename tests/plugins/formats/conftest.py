"""What the tests of instruments' files share."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import ome_zarr_models
import pytest
import tifffile
import zarr

from unblur.io import write_image
from unblur.model.image import Image
from unblur.model.units import symbol


@pytest.fixture
def check_outputs(tmp_path):
    """Return a check that OME-TIFF and OME-Zarr state what an image does, by other readers."""

    def check(image: Image) -> ET.Element:
        pixels = _check_ome_tiff(image, write_image(image, tmp_path / "out.ome.tif"))
        _check_ome_zarr(image, write_image(image, tmp_path / "out.ome.zarr"))
        return pixels

    return check


def _check_ome_tiff(image, path):
    with tifffile.TiffFile(path) as tif:
        values = tif.series[0].asarray()
        if tif.series[0].axes.endswith("S"):  # colours, which OME-TIFF holds within each pixel
            values = np.moveaxis(values, -1, -3)
        document = ET.fromstring(tif.ome_metadata)
    pixels = document.find("{*}Image/{*}Pixels")
    np.testing.assert_array_equal(values.squeeze(), np.asarray(image.data).squeeze())
    for axis in "ZYX":
        stated = pixels.get(f"PhysicalSize{axis}")
        assert (stated is not None) == (axis in image.pixel_size)
        if stated:
            assert float(stated) == pytest.approx(image.pixel_size[axis], rel=1e-6)
            assert symbol(pixels.get(f"PhysicalSize{axis}Unit")) == image.units[axis]
    if "T" in image.pixel_size:
        assert float(pixels.get("TimeIncrement")) == pytest.approx(image.pixel_size["T"])
    names = [c.get("Name") for c in pixels.iterfind("{*}Channel")]
    is_coloured = len(names) == 1 and image.extent("C") > 1  # one channel of three samples
    assert names == list(image.channels) or (not any(names) and (is_coloured or not image.channels))
    return document


def _check_ome_zarr(image, path):
    found = ome_zarr_models.open_ome_zarr(zarr.open_group(path, mode="r"))
    multiscale = found.attributes.ome.multiscales[0]
    np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[...], image.data)
    scale = multiscale.datasets[0].coordinateTransformations[0].scale
    for axis, size in zip(multiscale.axes, scale, strict=True):
        letter = axis.name.upper()
        if letter in image.pixel_size:
            assert size == pytest.approx(image.pixel_size[letter])
            assert symbol(axis.unit) == image.units[letter]
    if image.channels:
        assert [c["label"] for c in found.attributes.ome.omero["channels"]] == list(image.channels)
