"""Every format gives back what it was given, and what it read."""

import pickle

import dask.array as da
import numpy as np
import pytest
import tifffile

from unblur.io import read_image, write_image
from unblur.model.image import Image

STACK = {
    "axes": "TCZYX",
    "pixel_size": {"T": 2.0, "Z": 0.3, "Y": 0.11, "X": 0.1},
    "units": {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"},
}


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(0, 500, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) > 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def assert_same(found, expected):
    assert found.axes == expected.axes
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(np.asarray(found.data), np.asarray(expected.data))
    assert found.channels == expected.channels
    assert found.units == expected.units
    assert found.pixel_size == pytest.approx(dict(expected.pixel_size), rel=1e-6)
    assert found.white == expected.white


INTEGERS = ("uint8", "uint16", "uint32", "int8", "int16", "int32")


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr", "a.ome.zarr"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_a_stack_keeps_dtype_axes_sizes_channels(tmp_path, name, dtype, lazy):
    data = values((2, 3, 4, 20, 24), dtype)
    image = Image(data, **STACK, channels=("DAPI", "GFP", "Cy5"))
    given = image.with_data(da.from_array(data, chunks=(1, 1, 3, 7, 24))) if lazy else image
    assert_same(read_image(write_image(given, tmp_path / name), lazy=lazy), image)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr", "a.npy", "a.png", "a.fits"])
def test_views_of_arrays_are_written_as_they_are(tmp_path, name):
    if name == "a.fits":
        pytest.importorskip("astropy")
    data = values((40, 48, 3), "uint16")
    views = (data[..., 1], data[..., 0].T, data[::-1, ::2, 2], data[..., 1].astype(">u2"))
    for number, view in enumerate(views):
        path = write_image(Image(view, "YX"), tmp_path / f"{number}{name}")
        np.testing.assert_array_equal(np.asarray(read_image(path).data), view)


@pytest.mark.parametrize("dtype", ["uint64", "int64", "float16", "bool"])
@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.ome.zarr", "a.npy"])
def test_rarer_dtypes_of_a_volume(tmp_path, name, dtype):
    image = Image(values((5, 20, 24), dtype), "ZYX")
    assert_same(read_image(write_image(image, tmp_path / name)), image)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", [*INTEGERS, "uint64", "int64", "float32", "float64"])
def test_fits_keeps_stacks_and_every_integer(tmp_path, dtype, lazy):
    data = values((2, 3, 4, 20, 24), dtype)
    image = Image(data, **STACK)
    given = image.with_data(da.from_array(data, chunks=(1, 1, 3, 7, 24))) if lazy else image
    for name in ("a.fits", "a.fits.gz"):
        assert_same(read_image(write_image(given, tmp_path / name), lazy=lazy), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.ome.tif", "a.zarr", "a.ome.zarr"])
def test_colours_and_alpha_keep_their_places(tmp_path, name, count, dtype):
    channels = {
        1: (),
        2: ("grey", "alpha"),
        3: ("red", "green", "blue"),
        4: ("red", "green", "blue", "alpha"),
    }[count]
    shape = (count, 20, 24) if count > 1 else (20, 24)
    image = Image(values(shape, dtype), "CYX" if count > 1 else "YX", channels=channels)
    assert_same(read_image(write_image(image, tmp_path / name)), image)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr", "a.ome.zarr", "a.png"])
def test_twelve_bits_in_sixteen_stay_twelve(tmp_path, name):
    image = Image(values((20, 24), "uint16") // 16, "YX", white=4095)
    assert_same(read_image(write_image(image, tmp_path / name)), image)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("a.tif", "µm"),
        ("a.png", "µm"),
        ("a.zarr", "nm"),
        ("a.ome.tif", "nm"),
        ("a.ome.zarr", "Å"),
        ("a.ome.zarr", "pixel-ish"),
        ("a.fits", "arcsec"),
    ],
)
def test_pixel_size_and_unit(tmp_path, name, unit):
    image = Image(values((20, 24), "uint8"), "YX", {"Y": 50, "X": 40}, {"Y": unit, "X": unit})
    assert_same(read_image(write_image(image, tmp_path / name)), image)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.zarr", "a.ome.zarr", "a.png"])
def test_history_is_written_and_found_again(tmp_path, name):
    lines = ("deblurred with wiener", "grünlich & <schön>")
    if name == "a.tif":
        lines = ("deblurred with wiener",)
    image = Image(values((20, 24), "uint8"), "YX", metadata={"history": lines})
    path = write_image(image, tmp_path / name)
    if name == "a.tif":  # a plain page has one description, which is text for people
        assert read_image(path).metadata["tiff"]["description"] == lines[0]
        return
    assert read_image(path).metadata["history"] == lines
    again = write_image(read_image(path), tmp_path / f"b-{name}")
    assert read_image(again).metadata["history"] == lines


@pytest.mark.parametrize("name", ["a.tif", "packed.tif", "a.zarr", "a.ome.zarr", "a.fits", "a.npy"])
def test_a_lazy_image_travels_to_another_process(tmp_path, name):
    data = values((4, 300, 200), "int16")
    if name == "packed.tif":
        tifffile.imwrite(tmp_path / name, data, compression="zlib", tile=(64, 64))
    else:
        write_image(Image(data, "ZYX"), tmp_path / name)
    lazy = read_image(tmp_path / name, lazy=True).data
    assert hasattr(lazy, "dask")
    sent = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(sent.compute(scheduler="sync"), data)
    np.testing.assert_array_equal(lazy[1:3, ::7, 5].compute(), data[1:3, ::7, 5])


def test_floats_beyond_one_are_not_rescaled(tmp_path):
    data = np.array([[-3.5, 0, 1e6], [np.nan, np.inf, 2.5]], np.float32)
    for name in ("a.tif", "a.fits", "a.npy", "a.zarr", "a.ome.zarr"):
        found = read_image(write_image(Image(data, "YX"), tmp_path / name))
        np.testing.assert_array_equal(found.data, data)
        assert found.white == 1e6


def test_the_axis_order_of_the_file_is_put_back(tmp_path):
    data = values((20, 24, 7), "uint16")
    np.save(tmp_path / "in.npy", data)
    image = read_image(tmp_path / "in.npy", axes="YXZ")
    assert (image.axes, image.shape) == ("ZYX", (7, 20, 24))
    write_image(image, tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), data)
    lazy = read_image(tmp_path / "in.npy", axes="YXZ", lazy=True)
    write_image(lazy, tmp_path / "lazy.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "lazy.npy"), data)


def test_arrays_without_names_are_guessed_by_shape(tmp_path):
    cases = {
        (30, 40): "YX", (30, 40, 3): "CYX", (3, 30, 40): "CYX", (1, 30, 40): "CYX",
        (5, 30, 40): "ZYX", (1, 5, 30, 40): "TZYX", (2, 3, 5, 30, 40): "TCZYX",
    }  # fmt: skip
    for shape, axes in cases.items():
        np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
        assert read_image(tmp_path / "a.npy").axes == axes


def test_other_arrays_of_an_archive_are_noted(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, time=np.zeros(3), a=np.zeros((4, 5)), b=np.ones((4, 5)))
    (note,) = read_image(path).metadata["notes"]
    assert note == f"{path} holds 2 images, of which this is the first; the next is {path}[b]."
    assert read_image(f"{path}[b]").metadata["notes"] == ()
