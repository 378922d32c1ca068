import dask.array as da
import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.model.image import Image, bit_depth_white, positive_sizes


@pytest.mark.parametrize(
    ("data", "white"),
    [
        (np.zeros((2, 2), np.uint8), 255),
        (np.zeros((2, 2), np.int16), 32767),
        (np.zeros((2, 2), bool), 1),
        (np.full((2, 2), 0.3, np.float32), 1),
        (np.array([[-900.0, 800.0], [np.nan, np.inf]]), 900),
        (da.from_array(np.array([[1.0, 40.0], [np.nan, 2.0]])), 40),
        (np.full((2, 2), np.nan), 1),
    ],
)
def test_white_is_the_types_maximum_or_a_scale_that_fits(data, white):
    assert Image(data, "YX").white == white


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((4, 4), "XY", "in that order"),
        ((4, 4), "ZY", "with Y and X"),
        ((4, 4, 4), "YX", "3 axes of data"),
        ((4, 4), "YQ", "--axes"),
        ((0, 4), "YX", "empty"),
    ],
)
def test_axes_and_shape_are_checked_with_a_way_out(shape, axes, message):
    with pytest.raises(ImageError, match=message):
        Image(np.zeros(shape), axes, source="stack.tif")


def test_complex_and_text_values_are_refused():
    with pytest.raises(ImageError, match="complex"):
        Image(np.zeros((2, 2), complex), "YX")
    with pytest.raises(ImageError, match="expected numbers"):
        Image(np.array([["a", "b"]]), "YX")


def test_channel_names_match_the_channels():
    with pytest.raises(ImageError, match="2 channel names for 3 channels"):
        Image(np.zeros((3, 4, 4)), "CYX", channels=("red", "green"))


def test_new_values_keep_everything_else():
    image = Image(np.zeros((2, 4, 4), np.uint16), "ZYX", {"Z": 0.3}, {"Z": "µm"}, metadata={"a": 1})
    again = image.with_data(np.ones((2, 4, 4), np.uint16))
    assert (again.pixel_size, again.units, again.white) == (image.pixel_size, image.units, 65535)
    assert again.extent("Z") == 2
    assert again.extent("C") == 1


def test_twelve_bits_have_their_own_white():
    assert bit_depth_white(12) == 4095
    with pytest.raises(ImageError, match="between 1 and 64"):
        bit_depth_white(0)


def test_cropped_keeps_all_but_the_rest():
    image = Image(np.arange(60.0).reshape(3, 4, 5), "CYX", white=99, source="a.tif")
    part = image.cropped(slice(1, 3), slice(None, 2))
    assert np.array_equal(part.data, image.data[:, 1:3, :2])
    assert (part.axes, part.white, part.source) == ("CYX", 99, "a.tif")
    with pytest.raises(
        ImageError, match=r"a\.tif: nothing lies within rows 7:9, columns :; .* 4 r"
    ):
        image.cropped(slice(7, 9), slice(None))


@pytest.mark.parametrize("size", [0, -0.1, np.nan, np.inf, "0.1", None, True])
def test_a_pixel_size_that_is_none_is_refused(size):
    with pytest.raises(ImageError, match="the pixel size along X is a positive number, got"):
        Image(np.ones((4, 5)), "YX", {"Y": 0.1, "X": size}, {"Y": "µm", "X": "µm"})


def test_the_direction_of_an_axis_is_no_part_of_its_pixel_size():
    with pytest.raises(ImageError, match="give its absolute value"):
        Image(np.ones((4, 5)), "YX", {"X": -0.1})
    assert positive_sizes({"Y": -0.5, "X": np.float32(0.25), "Z": np.nan}) == {"Y": 0.5, "X": 0.25}
