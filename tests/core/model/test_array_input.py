"""Arrays of other libraries in, the same kind out."""

import dask.array as da
import numpy as np
import pytest

import unblur
from unblur.errors import ImageError, UsageError
from unblur.model.array_input import as_image

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("path", ["a.png", "/data/night.fits[2]"])
def test_a_path_is_not_an_image(path):
    with pytest.raises(UsageError, match=r"got a path; read it first: unblur\.read_image\('"):
        as_image(path, None)


def data_array(dims=("z", "y", "x"), shape=(4, 20, 30), **coords):
    xarray = pytest.importorskip("xarray")
    values = RNG.random(shape).astype(np.float32)
    return xarray.DataArray(values, dims=dims, coords=coords, attrs={"made": "here"}, name="cell")


def test_the_dimensions_of_a_data_array_are_its_axes():
    xarray = pytest.importorskip("xarray")
    x = xarray.Variable("x", 5 + 0.1 * np.arange(30), attrs={"units": "micrometer"})
    z = xarray.Variable("z", -0.3 * np.arange(4), attrs={"units": "nm"})
    given = data_array(x=x, z=z, y=("y", np.arange(20.0) ** 2))
    image, arrange = as_image(given, None)
    assert image.axes == "ZYX"
    assert image.pixel_size == pytest.approx({"Z": 0.3, "X": 0.1})
    assert image.units == {"Z": "nm", "X": "µm"}
    again = arrange(image.with_data(2 * image.data))
    xarray.testing.assert_identical(again, given.copy(data=2 * given.data))


def test_channels_last_stay_last():
    given = data_array(("Y", "X", "Band"), (20, 30, 3))
    image, arrange = as_image(given, None)
    assert (image.axes, image.shape) == ("CYX", (3, 20, 30))
    assert arrange(image).dims == given.dims


def test_a_dimension_of_another_name_needs_the_axes():
    given = data_array(("what", "y", "x"))
    with pytest.raises(UsageError, match="the dimension 'what' of the DataArray names no axis"):
        as_image(given, None)
    assert as_image(given, "ZYX")[0].axes == "ZYX"


def test_a_data_array_is_deblurred_to_a_data_array():
    given = data_array(("y", "x"), (32, 40))
    box = np.full((3, 3), 1 / 9)
    made = unblur.deblur(given, "wiener", box, device="cpu").image
    assert made.dims == given.dims
    assert made.attrs == given.attrs
    expected = unblur.deblur(given.values, "wiener", box, device="cpu").image
    np.testing.assert_array_equal(made.values, expected)


class OnAnotherDevice:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("it is on another device")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (OnAnotherDevice(), "a OnAnotherDevice, cannot be turned .*it is on another device"),
        ([[1.0, 2.0], [3.0]], "a list, cannot be turned into a numpy array"),
    ],
)
def test_what_is_no_array_is_refused_by_its_type(given, what):
    with pytest.raises(ImageError, match=what):
        as_image(given, None)


def test_a_dask_array_of_unknown_extents_is_refused():
    rows = da.from_array(np.arange(20))
    given = da.from_array(RNG.random((20, 30)), chunks=10)[rows > 4]
    with pytest.raises(ImageError, match=r"unknown extents .* call its compute_chunk_sizes\(\)"):
        as_image(given, None)
