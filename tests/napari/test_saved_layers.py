"""Layers that the writer of the package saves, and runs on layers that its reader opened."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from image_files_for_tests import SIZES, UNITS, image_of, stack_of

from napari_unblur.model.file_facts import FILE_KEY
from napari_unblur.model.layers import REPORT_KEY, LayerCrop, LayerSnapshot
from unblur import deblur
from unblur.errors import UnblurError
from unblur.io import read_image, write_image

pytestmark = pytest.mark.usefixtures("manifests")


@pytest.mark.parametrize("name", ["out.ome.tif", "out.ome.zarr"])
def test_channels_are_saved_together_with_all_that_their_file_states(tmp_path, opened, name):
    stack = stack_of()
    layers = opened(write_image(stack, tmp_path / "in.ome.tif"))
    from napari.plugins.io import save_layers

    (saved,) = save_layers(str(tmp_path / name), layers, plugin="unblur")
    found = read_image(saved)
    np.testing.assert_array_equal(found.data, stack.data)
    assert (found.axes, found.channels, found.white) == ("TCZYX", ("DAPI", "GFP"), 4095)
    assert (found.pixel_size, found.units) == (pytest.approx(SIZES), UNITS)
    lengths = [entry["emission_nm"] for entry in found.metadata["optics"]["channels"]]
    assert lengths == [461.0, 525.0]


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_channels_saved_one_by_one_keep_their_names_and_colours(tmp_path, opened, suffix):
    stack = stack_of("CYX").with_data(
        np.zeros((2, 16, 18), np.uint16), metadata={"colours": ("FFFFFF", "FF8000")}
    )
    layers = opened(write_image(stack, tmp_path / f"in{suffix}"))
    assert [layer.colormap.name for layer in layers] == ["gray", "#ff8000"]
    for layer, name in zip(layers, "ab", strict=True):
        layer.save(str(tmp_path / f"{name}{suffix}"), plugin="unblur")
    single = [opened(tmp_path / f"{name}{suffix}")[0] for name in "ab"]
    assert [layer.name for layer in single] == ["a DAPI", "b GFP"]
    from napari.plugins.io import save_layers

    (saved,) = save_layers(str(tmp_path / f"out{suffix}"), single, plugin="unblur")
    found = read_image(saved)
    assert found.channels == ("DAPI", "GFP")
    assert found.metadata["colours"] == ("FFFFFF", "FF8000")


def test_a_layer_of_any_origin_is_saved_with_its_scale(tmp_path):
    from napari.layers import Image as ImageLayer

    layer = ImageLayer(np.zeros((5, 16, 18), np.float32), scale=(0.3, 0.1, 0.1), units=("um",) * 3)
    (saved,) = layer.save(str(tmp_path / "a.ome.tif"), plugin="unblur")
    with tifffile.TiffFile(saved) as tif:
        assert 'PhysicalSizeZ="0.3"' in tif.ome_metadata
    assert read_image(saved).pixel_size == pytest.approx({"Z": 0.3, "Y": 0.1, "X": 0.1})


def test_layers_that_differ_are_not_saved_as_channels(tmp_path):
    from napari.layers import Image as ImageLayer
    from napari.plugins.io import save_layers

    one = ImageLayer(np.zeros((16, 18), np.uint8), name="one")
    other = ImageLayer(np.zeros((16, 20), np.uint8), name="other")
    with pytest.raises(UnblurError, match="other is .* but one is"):
        save_layers(str(tmp_path / "a.ome.tif"), [one, other], plugin="unblur")
    assert not list(tmp_path.iterdir())


def test_a_changed_layer_does_not_state_what_its_file_did(tmp_path, opened):
    (layer,) = opened(write_image(stack_of("ZYX"), tmp_path / "a.tif"))
    assert image_of(layer).white == 4095
    layer.data = layer.data[1].astype(np.float32)
    assert FILE_KEY in layer.metadata
    found = image_of(layer)
    assert found.axes == "YX"
    assert found.white != 4095
    assert "tiff" not in found.metadata


def test_a_part_of_a_layer_states_what_holds_for_the_part(tmp_path, opened):
    path = write_image(stack_of("ZYX"), tmp_path / "a.ome.tif")
    (layer,) = opened(path)
    snapshot = LayerSnapshot.of(layer)
    whole_planes = LayerCrop((slice(0, 5), slice(4, 9), slice(2, 10)), ("Z",)).image(snapshot)
    assert whole_planes.origin == {"Y": 4, "X": 2}
    assert "tiff" in whole_planes.metadata
    one_plane = LayerCrop((slice(1, 2), slice(0, 16), slice(0, 18)), ("Z",)).image(snapshot)
    assert "tiff" not in one_plane.metadata
    assert one_plane.white == 4095


@pytest.mark.parametrize("name", ["a.ome.tif", "a.fits"])
def test_a_run_on_an_opened_layer_is_a_run_on_its_file(
    open_panel, wait_until_idle, registry, tmp_path, name
):
    if name == "a.fits":
        pytest.importorskip("astropy")
    path = write_image(stack_of("YX"), tmp_path / name)
    widget = open_panel()
    widget.viewer.open(str(path), plugin="unblur")
    assert "0.1 µm per pixel" in widget.input.hint.text()
    widget.footer.run.click()
    wait_until_idle(widget)
    result = widget.viewer.layers["a (deblurred)"]
    (saved,) = result.save(str(tmp_path / f"saved-{name}"), plugin="unblur")
    expected = deblur(read_image(path), widget.steps.draft().pipeline())
    assert result.metadata[REPORT_KEY]["scale"] == expected.report.scale.model_dump()
    found = read_image(saved)
    np.testing.assert_array_equal(found.data, expected.image.data)
    assert found.pixel_size == pytest.approx({"Y": 0.1, "X": 0.1})
    assert (found.units, found.white) == ({"Y": "µm", "X": "µm"}, expected.image.white)
    assert LayerSnapshot.of(result).path is None
