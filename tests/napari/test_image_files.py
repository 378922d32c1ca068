"""Files that the reader of the package opens as layers."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from image_files_for_tests import image_of, stack_of
from npe2 import PluginManager
from PIL import Image as Picture

from napari_unblur import image_reader
from napari_unblur.image_reader import read_images
from napari_unblur.model.image_layers import channel_of
from napari_unblur.model.layers import LayerSnapshot
from unblur.errors import UnblurError
from unblur.io import READERS, read_image, write_image
from unblur.model.image import Image
from unblur.plugins.manager import registry

pytestmark = pytest.mark.usefixtures("manifests")

RNG = np.random.default_rng(4)
SAMPLES = Path(__file__).parents[1] / "plugins" / "formats" / "samples"


@pytest.mark.parametrize("name", ["cells.ome.tif", "cells.tif", "cells.ome.zarr"])
def test_channels_of_a_stack_are_layers_with_size_unit_name_and_colour(opened, tmp_path, name):
    stack = stack_of()
    layers = opened(write_image(stack, tmp_path / name))
    assert [layer.name for layer in layers] == ["cells DAPI", "cells GFP"]
    for number, layer in enumerate(layers):
        np.testing.assert_array_equal(layer.data, stack.data[:, number])
        assert layer.axis_labels == ("t", "z", "y", "x")
        np.testing.assert_allclose(layer.scale, [2.0, 0.3, 0.1, 0.1])
        assert [f"{unit:~}" for unit in layer.units] == ["s", "µm", "µm", "µm"]
        assert layer.blending == "additive"
    assert [layer.colormap.name for layer in layers] == ["blue", "green"]


def test_channels_have_the_colours_that_the_file_states(opened, tmp_path):
    stack = stack_of("CYX")
    stack = stack.with_data(stack.data, metadata={"colours": ("00FFFF", "FF8000")})
    layers = opened(write_image(stack, tmp_path / "a.ome.tif"))
    assert [layer.colormap.name for layer in layers] == ["cyan", "#ff8000"]
    np.testing.assert_allclose(layers[1].colormap.colors[-1], [1, 128 / 255, 0, 1])
    (saved,) = layers[1].save(str(tmp_path / "b.ome.zarr"), plugin="unblur")
    assert opened(saved)[0].colormap.name == "#ff8000"


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr", "a.zarr", "a.npy", "a.fits", "a.png"])
def test_what_goes_in_by_the_reader_comes_out_as_the_file(opened, tmp_path, name):
    if name == "a.fits":
        pytest.importorskip("astropy")
    image = stack_of("YX" if name == "a.png" else "ZYX")
    path = write_image(image, tmp_path / name)
    stated = read_image(path)
    (layer,) = opened(path)
    found = image_of(layer)
    assert (found.axes, found.white, found.nodata) == (stated.axes, stated.white, stated.nodata)
    assert found.pixel_size == pytest.approx(stated.pixel_size)
    assert found.units == stated.units
    assert found.metadata.keys() == stated.metadata.keys()
    np.testing.assert_array_equal(found.data, stated.data)


def test_fits_keeps_its_rows_its_header_and_missing_pixels(opened, tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    values = RNG.normal(100, 5, (12, 14)).astype(">f4")
    values[3, 4] = np.nan
    header = fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CDELT1", -1 / 36000),
                          ("CDELT2", 1 / 36000), ("CRPIX1", 7.0), ("CRPIX2", 6.0),
                          ("CRVAL1", 10.0), ("CRVAL2", 20.0), ("OBJECT", "M 1")])  # fmt: skip
    fits.PrimaryHDU(values, header).writeto(tmp_path / "m1.fits")
    (layer,) = opened(tmp_path / "m1.fits")
    np.testing.assert_array_equal(layer.data, values)
    np.testing.assert_allclose(layer.scale, 0.1)
    assert str(layer.units[0]) == "arcsecond"
    limits = np.percentile(values[np.isfinite(values)], (0.2, 99.8))
    np.testing.assert_allclose(layer.contrast_limits, limits, rtol=1e-6)
    (saved,) = layer.save(str(tmp_path / "saved.fits"), plugin="unblur")
    assert fits.getheader(saved)["OBJECT"] == "M 1"
    np.testing.assert_array_equal(fits.getdata(saved), values)


def test_bands_of_a_fits_cube_are_an_axis_of_one_layer(opened, tmp_path):
    pytest.importorskip("astropy")
    (layer,) = opened(write_image(stack_of("CYX"), tmp_path / "cube.fits"))
    assert layer.axis_labels == ("c", "y", "x")
    assert image_of(layer).axes == "CYX"


@pytest.mark.parametrize(("mode", "suffix"), [("RGB", "jpg"), ("RGBA", "png"), ("RGB", "tif")])
def test_colours_are_one_rgb_layer(opened, tmp_path, mode, suffix):
    Picture.new(mode, (18, 16), (200, 100, 50)[: len(mode)]).save(tmp_path / f"photo.{suffix}")
    (layer,) = opened(tmp_path / f"photo.{suffix}")
    assert layer.rgb
    assert (layer.name, layer.data.shape) == ("photo", (16, 18, len(mode)))
    assert image_of(layer).channels[:3] == ("red", "green", "blue")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_it_states_and_its_pixels_are_those_of_the_file(
    opened, tmp_path, orientation
):
    values = RNG.integers(0, 255, (3, 5, 3), dtype=np.uint8)
    exif = Picture.Exif()
    exif[274] = orientation
    Picture.fromarray(values).save(tmp_path / "a.png", exif=exif)
    with Picture.open(tmp_path / "a.png") as picture:
        from PIL import ImageOps

        seen = np.asarray(ImageOps.exif_transpose(picture))
    (layer,) = opened(tmp_path / "a.png")
    np.testing.assert_array_equal(layer.data, values)
    for row, column in np.ndindex(3, 5):
        place = np.rint(layer.data_to_world((row, column))).astype(int)
        np.testing.assert_array_equal(seen[tuple(place)], values[row, column])


def test_a_turned_image_with_uneven_pixels_stays_where_it_is(opened, tmp_path):
    image = Image(np.zeros((3, 5), np.uint8), "YX", {"Y": 2.0, "X": 0.5}, {"Y": "µm", "X": "µm"},
                  metadata={"orientation": 6})  # fmt: skip
    (layer,) = opened(write_image(image, tmp_path / "a.tif"))
    corners = [layer.data_to_world(place) for place in ((0, 0), (2, 0), (0, 4))]
    np.testing.assert_allclose(corners, [[0, 4], [0, 0], [2, 4]], atol=1e-9)


def test_scenes_are_layers_of_which_the_first_is_visible(opened):
    pytest.importorskip("czifile")
    layers = opened(SAMPLES / "scenes.czi")
    count = read_image(SAMPLES / "scenes.czi").metadata["images"]
    assert count > 1
    assert {layer.name.split()[1] for layer in layers} == {str(n) for n in range(count)}
    assert [layer.visible for layer in layers] == [" 0" in layer.name for layer in layers]
    second = next(layer for layer in layers if " 1" in layer.name)
    assert LayerSnapshot.of(second).path == str(SAMPLES / "scenes.czi[1]")
    np.testing.assert_array_equal(
        second.data, channel_of(read_image(SAMPLES / "scenes.czi[1]"), 0).data
    )


def test_of_many_scenes_the_first_are_opened(opened, monkeypatch):
    pytest.importorskip("czifile")
    shown = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", shown.append)
    monkeypatch.setattr(image_reader, "MAX_IMAGES", 1)
    assert all(" 0" in layer.name for layer in opened(SAMPLES / "scenes.czi"))
    assert "of which the first 1 are opened; unblur.read_image(" in shown[0]


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr", "a.npy", "a.fits"])
def test_a_large_file_is_read_when_it_is_shown(opened, tmp_path, monkeypatch, name):
    if name == "a.fits":
        pytest.importorskip("astropy")
    image = Image(np.zeros((5, 1200, 1100), np.uint8), "ZYX")
    path = write_image(image, tmp_path / name)
    (layer,) = opened(path)
    whole = layer.data[0] if layer.multiscale else layer.data
    assert isinstance(whole, np.ndarray)
    monkeypatch.setattr(image_reader, "IN_MEMORY", 2**22)
    (layer,) = opened(path)
    assert layer.multiscale == (name == "a.ome.zarr")
    finest = layer.data[0] if layer.multiscale else layer.data
    assert hasattr(finest, "dask")
    assert finest.shape == image.shape
    assert LayerSnapshot.of(layer, in_memory=2**22).is_large


def test_files_of_other_kinds_are_left_to_other_readers(tmp_path):
    for name in ("a.txt", "a.dcm", "a.h5"):
        (tmp_path / name).write_bytes(b"0" * 200)
        assert read_images(str(tmp_path / name)) is None
    (tmp_path / "folder").mkdir()
    assert read_images(str(tmp_path / "folder")) is None
    assert read_images(str(tmp_path / "absent.tif")) is None
    assert read_images([str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]) is None


def test_a_damaged_file_is_refused_in_the_words_of_the_package(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + b"\0" * 40)
    reader = read_images(str(tmp_path / "a.tif"))
    with pytest.raises(UnblurError, match=r"a\.tif"):
        reader(str(tmp_path / "a.tif"))


def test_the_manifest_lists_every_suffix_that_is_read():
    patterns = {
        pattern
        for reader in PluginManager.instance().get_manifest("unblur").contributions.readers
        for pattern in reader.filename_patterns
    }
    suffixes = {s for cls in (*READERS, *registry().readers.values()) for s in cls.suffixes}
    assert {f"*{suffix}" for suffix in suffixes} <= patterns


def test_reading_imports_neither_torch_nor_a_window(tmp_path):
    path = str(write_image(stack_of(), tmp_path / "a.ome.tif"))
    code = (
        "import sys; from napari_unblur.image_reader import read_images;"
        f"assert len(read_images({path!r})({path!r})) == 2;"
        "print([m for m in ('torch', 'qtpy', 'PySide6', 'PyQt6') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", [p for p in ("nd2", "liffile", "oiffile") if find_spec(p)])
def test_readers_of_plugins_are_used(package, tmp_path):
    suffix = {"nd2": "nd2", "liffile": "lif", "oiffile": "oib"}[package]
    (tmp_path / f"a.{suffix}").write_bytes(b"0" * 100)
    assert read_images(str(tmp_path / f"a.{suffix}")) is not None
