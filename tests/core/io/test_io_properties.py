"""Round trips of images nobody thought of, and properties of the helpers they rest on."""

import tempfile
from itertools import combinations
from pathlib import Path

import dask.array as da
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unblur.io import read_image, write_image
from unblur.io.axes import canonical, in_file_order
from unblur.io.lazy_pixels import MAX_CHUNKS, enlarge_chunk
from unblur.io.zarr.pyramids import chunk_regions, halve
from unblur.model.image import AXES, Image
from unblur.model.units import length, long_name, symbol

SETTINGS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
SUBSETS = [
    "".join(a for a in AXES if a in (*extra, "Y", "X"))
    for n in range(4)
    for extra in combinations("TCZ", n)
]
DTYPES = ["bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"]
HEADS = {
    ".tif": b"II*\0\x08\0\0\0",
    ".png": b"\x89PNG\r\n\x1a\n",
    ".jpg": b"\xff\xd8\xff",
    ".fits": b"SIMPLE  =                    T",
    ".npy": b"\x93NUMPY\x01\0",
    ".npz": b"PK\x03\x04",
}
FORMATS = ["a.tif", "a.ome.tif", "a.zarr", "a.ome.zarr", "a.fits", "a.npy", "a.png"]


@st.composite
def images(draw):
    axes = draw(st.sampled_from(SUBSETS))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    # Formats drop axes of length 1 above rows and columns; those have tests of their own.
    shape = tuple(draw(st.integers(1, 40)) if a in "YX" else draw(st.integers(2, 4)) for a in axes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    raw = rng.integers(0, 256, (*shape, dtype.itemsize), dtype=np.uint8)
    data = raw[..., 0] > 127 if dtype.kind == "b" else raw.view(dtype)[..., 0]
    sizes = {a: draw(st.floats(1e-3, 1e3)) for a in axes if a != "C" and draw(st.booleans())}
    if "Y" not in sizes or "X" not in sizes:
        sizes = {}
    units = {a: "s" if a == "T" else "µm" for a in sizes}
    count = shape[axes.index("C")] if "C" in axes else 0
    channels = tuple(f"dye {n}" for n in range(count)) if draw(st.booleans()) else ()
    image = Image(data, axes, sizes, units, 1.0 if dtype.kind == "f" else 0.0, channels)
    if draw(st.booleans()):
        chunks = tuple(draw(st.integers(1, n)) for n in shape)
        image = image.with_data(da.from_array(data, chunks=chunks))
    return image, data


@SETTINGS
@given(drawn=images(), name=st.sampled_from(FORMATS), lazy=st.booleans())
def test_whatever_a_format_accepts_comes_back(attempt, drawn, name, lazy):
    image, data = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        _, refusal = attempt(write_image, image, path)
        if refusal is not None:
            assert "holds" in refusal
            assert not any(Path(folder).iterdir())
            return
        given_axes = image.axes if name == "a.npy" else None
        found = read_image(path, axes=given_axes, lazy=lazy)
        np.testing.assert_array_equal(np.asarray(found.data), data)
        assert (found.dtype, found.shape) == (data.dtype, data.shape)
        assert found.axes == image.axes
        if name in ("a.zarr", "a.ome.zarr", "a.ome.tif"):
            assert found.channels == image.channels
            for axis, size in image.pixel_size.items():
                assert found.pixel_size.get(axis, 1.0) == size


@SETTINGS
@given(st.permutations("TCZYX"), st.lists(st.integers(1, 4), min_size=5, max_size=5))
def test_axis_orders_are_undone(order, extents):
    names = "".join(order)
    data = np.arange(np.prod(extents)).reshape(extents)
    moved, axes = canonical(data, names)
    assert axes == AXES
    back, again = in_file_order(moved, axes, names)
    assert again == names
    np.testing.assert_array_equal(back, data)


@SETTINGS
@given(
    st.lists(st.integers(1, 5000), min_size=2, max_size=4),
    st.lists(st.integers(1, 300), min_size=4, max_size=4),
    st.sampled_from([1, 2, 4, 8]),
)
def test_lazy_chunks_are_whole_pieces_of_the_file(shape, native, itemsize):
    start = [min(n, c) for n, c in zip(shape, native, strict=False)]
    chunk = enlarge_chunk(shape, start, itemsize)
    assert all(c == n or c % s == 0 for c, n, s in zip(chunk, shape, start, strict=True))
    assert all(c <= n for c, n in zip(chunk, shape, strict=True))
    count = np.prod([-(-n // c) for n, c in zip(shape, chunk, strict=True)])
    is_small = np.prod(chunk) * itemsize <= max(2**22, np.prod(start) * itemsize)
    assert is_small or count > MAX_CHUNKS / 2


@SETTINGS
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_pieces_cover_everything_once(shape, chunk_shape):
    seen = np.zeros(shape, int)
    for region in chunk_regions(shape, chunk_shape[: len(shape)]):
        seen[region] += 1
    assert (seen == 1).all()


@SETTINGS
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_halving_keeps_the_mean_and_the_range(rows, columns, seed):
    data = np.random.default_rng(seed).normal(0, 100, (2, 2 * rows, 2 * columns))
    half = halve(data)
    assert half.shape == (2, rows, columns)
    np.testing.assert_allclose(half.mean(), data.mean(), rtol=1e-9, atol=1e-9)
    assert half.max() <= data.max()
    odd = halve(data[:, :-1, :-1])
    assert odd.shape == (2, rows, columns)
    np.testing.assert_allclose(odd[:, -1, -1], data[:, -2, -2])


@SETTINGS
@given(st.sampled_from(["m", "cm", "mm", "µm", "nm", "Å"]), st.floats(1e-6, 1e6))
def test_units_survive_their_spellings_and_conversions(unit, size):
    assert symbol(long_name(unit)) == unit
    there = length(size, unit, "inch")
    back = length(there, "inch", unit)
    np.testing.assert_allclose(back, size)


@SETTINGS
@given(raw=st.binary(max_size=300), suffix=st.sampled_from(sorted(HEADS)))
def test_any_bytes_are_read_or_refused_in_words(attempt, raw, suffix):
    with tempfile.TemporaryDirectory() as folder:
        for head in (b"", HEADS[suffix]):
            path = Path(folder) / f"a{suffix}"
            path.write_bytes(head + raw)
            image, refusal = attempt(read_image, path)
            assert refusal is not None or image.data.size > 0
            assert refusal is None or (str(path) in refusal and "\n" not in refusal)
