"""Conversion of layers to images and back, for any order of axes."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image as ImageLayer

from napari_unblur.model.layers import LayerCrop, LayerSnapshot, layer_style, layer_white
from unblur.errors import ImageError


def whole(source, roles):
    return LayerCrop(tuple(slice(0, n) for n in source.shape), tuple(roles))


def test_plane():
    data = np.arange(12, dtype=np.uint16).reshape(3, 4)
    source = LayerSnapshot.of(ImageLayer(data, scale=(0.5, 0.25), units=("um", "um")))
    image = whole(source, ()).image(source)
    assert image.axes == "YX"
    assert image.pixel_size == {"Y": 0.5, "X": 0.25}
    assert image.units == {"Y": "µm", "X": "µm"}
    assert image.white == 65535
    assert np.shares_memory(image.data, data)


def test_a_layer_that_is_shown_mirrored_has_a_positive_pixel_size():
    layer = ImageLayer(np.ones((3, 4)), scale=(-0.5, 0.25), units=("um", "um"))
    source = LayerSnapshot.of(layer)
    assert whole(source, ()).image(source).pixel_size == {"Y": 0.5, "X": 0.25}


def test_colours_become_channels_and_are_restored_as_last_axis():
    data = np.random.default_rng(0).integers(0, 255, (5, 6, 4), dtype=np.uint8)
    source = LayerSnapshot.of(ImageLayer(data, rgb=True))
    cut = whole(source, ())
    image = cut.image(source)
    assert (image.axes, image.shape) == ("CYX", (4, 5, 6))
    assert image.channels == ("red", "green", "blue", "alpha")
    assert np.array_equal(cut.restore(source, image.data), data)


@pytest.mark.parametrize("roles", [("Z", "C"), ("C", "Z"), ("T", "C"), ("Z", "T")])
def test_the_order_of_axes_is_restored(roles):
    data = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    source = LayerSnapshot.of(ImageLayer(data))
    cut = whole(source, roles)
    image = cut.image(source)
    assert image.axes == "".join(a for a in "TCZYX" if a in (*roles, "Y", "X"))
    assert image.extent(roles[0]) == 2
    assert image.extent(roles[1]) == 3
    assert np.array_equal(cut.restore(source, image.data), data)


def test_a_stack_of_colours():
    data = np.zeros((4, 6, 7, 3), np.uint8)
    source = LayerSnapshot.of(ImageLayer(data, rgb=True))
    cut = whole(source, ("T",))
    assert cut.image(source).axes == "TCYX"
    assert cut.restore(source, cut.image(source).data).shape == data.shape
    with pytest.raises(ImageError, match="channels of this layer"):
        whole(source, ("C",)).image(source)


def test_two_axes_with_one_role_raise():
    source = LayerSnapshot.of(ImageLayer(np.zeros((2, 3, 4, 5)), name="cells"))
    with pytest.raises(ImageError, match="cells: two axes are set to depth"):
        whole(source, ("Z", "Z")).image(source)


@pytest.mark.parametrize(
    ("shape", "labels", "roles"),
    [
        ((9, 8, 8), None, ("Z",)),
        ((3, 8, 8), None, ("C",)),
        ((5, 9, 8, 8), None, ("T", "Z")),
        ((9, 2, 8, 8), None, ("Z", "C")),
        ((5, 2, 9, 8, 8), None, ("T", "C", "Z")),
        ((5, 9, 2, 8, 8), None, ("T", "Z", "C")),
        ((9, 8, 8), ("t", "y", "x"), ("T",)),
        ((9, 7, 8, 8), ("z", "channel", "y", "x"), ("Z", "C")),
    ],
)
def test_roles_are_guessed_from_labels_and_lengths(shape, labels, roles):
    layer = ImageLayer(np.zeros(shape, np.uint8), axis_labels=labels)
    assert LayerSnapshot.of(layer).guessed_roles() == roles


def test_a_crop_keeps_its_position():
    data = np.zeros((6, 10, 12), np.float32)
    layer = ImageLayer(
        data,
        scale=(3, 2, 1),
        translate=(100, 10, 1),
        rotate=30,
        shear=(0.2, -0.1, 0.3),
        units=("um",) * 3,
    )
    source = LayerSnapshot.of(layer)
    style = layer_style(source, "part", (4, 5, 6))
    part = ImageLayer(data[4:5, 5:8, 6:9], **style)
    assert np.allclose(part.data_to_world((0, 0, 0)), layer.data_to_world((4, 5, 6)))
    assert np.allclose(part.data_to_world((0, 2, 1)), layer.data_to_world((4, 7, 7)))
    assert part.units == layer.units


def test_lazy_layers_stay_lazy():
    def forbidden(block):
        raise AssertionError("computed")

    lazy = da.zeros((8, 8), chunks=4, dtype=np.uint8).map_blocks(
        forbidden, dtype=np.uint8, meta=np.zeros((0, 0), np.uint8)
    )
    source = LayerSnapshot("lazy", lazy, False, ("y", "x"), (1.0, 1.0), ("pixel",) * 2, None, {})
    image = LayerCrop((slice(0, 4), slice(0, 8)), ()).image(source, white=255)
    assert image.is_lazy
    assert image.shape == (4, 8)


def test_multiscale_layers_are_read_at_the_finest_level():
    levels = [np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint8)]
    source = LayerSnapshot.of(ImageLayer(levels, multiscale=True))
    assert source.shape == (64, 64)
    assert not source.is_large


def test_the_white_value_is_that_of_the_whole_layer():
    data = np.zeros((8, 8), np.float32)
    data[7, 7] = 500
    source = LayerSnapshot.of(ImageLayer(data))
    part = LayerCrop((slice(0, 4), slice(0, 4)), ())
    assert layer_white(source) == 500
    assert part.image(source, layer_white(source)).white == 500
