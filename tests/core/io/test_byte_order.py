"""Files in either byte order are read as the same values, whole and lazily, in native order."""

import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from astropy.io import fits
from zarr.codecs import BytesCodec

from unblur.io import read_image

RNG = np.random.default_rng(28)
NAMES = {"<": "little", ">": "big"}


def write_tiff(path, values, order):
    tifffile.imwrite(path, values, byteorder=order, metadata=None, photometric="minisblack")


def write_big_tiff(path, values, order):
    tifffile.imwrite(path, values, byteorder=order, bigtiff=True, tile=(16, 16), metadata=None,
                     photometric="minisblack")  # fmt: skip


def write_ome_tiff(path, values, order):
    about = {"axes": "ZYX", "PhysicalSizeZ": 0.5}
    tifffile.imwrite(path, values, byteorder=order, ome=True, metadata=about,
                     photometric="minisblack", compression="zlib")  # fmt: skip


def write_npy(path, values, order):
    np.save(path, values.astype(values.dtype.newbyteorder(order)))


def write_npz(path, values, order):
    np.savez(path, values.astype(values.dtype.newbyteorder(order)))


def write_zarr_2(path, values, order):
    kind = values.dtype.newbyteorder(order)
    array = zarr.create_array(path, shape=values.shape, dtype=kind, chunks=(1, 16, 16),
                              zarr_format=2)  # fmt: skip
    array[...] = values


def write_zarr_3(path, values, order):
    array = zarr.create_array(path, shape=values.shape, dtype=values.dtype, chunks=(1, 16, 16),
                              serializer=BytesCodec(endian=NAMES[order]))  # fmt: skip
    array[...] = values


def write_mrc(path, values, order):
    with mrcfile.new(path) as mrc:
        mrc.set_data(values.astype(values.dtype.newbyteorder(order)))
        mrc.set_volume()


WRITERS = {
    "a.tif": write_tiff, "big.tif": write_big_tiff, "a.ome.tif": write_ome_tiff, "a.npy": write_npy,
    "a.npz": write_npz, "2.zarr": write_zarr_2, "3.zarr": write_zarr_3, "a.mrc": write_mrc,
}  # fmt: skip


def first_bytes(path):
    """Return the bytes in which two files of different order differ at least."""
    if path.is_file():
        return path.read_bytes()
    return b"".join(p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file())


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
@pytest.mark.parametrize("name", WRITERS)
def test_both_byte_orders_are_read_as_the_same_values(tmp_path, name, dtype):
    values = (RNG.random((3, 20, 24)) * 4000).astype(dtype)
    paths = {}
    for order, folder in NAMES.items():
        paths[order] = tmp_path / folder / name
        paths[order].parent.mkdir()
        WRITERS[name](paths[order], values, order)
    assert first_bytes(paths["<"]) != first_bytes(paths[">"])
    found = {
        (order, lazy): read_image(path, axes="ZYX", lazy=lazy)
        for order, path in paths.items()
        for lazy in (False, True)
    }
    for image in found.values():
        data = np.asarray(image.data)
        assert image.dtype == data.dtype == values.dtype
        assert data.dtype.isnative
        np.testing.assert_array_equal(data, values)
        assert image.white == found["<", False].white
        assert image.pixel_size == found["<", False].pixel_size


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_fits_which_is_always_big_endian_is_read_in_native_order(tmp_path, dtype, lazy):
    values = (RNG.random((20, 24)) * 4000).astype(dtype)
    fits.PrimaryHDU(values).writeto(tmp_path / "a.fits")
    data = np.asarray(read_image(tmp_path / "a.fits", lazy=lazy).data)
    assert data.dtype.isnative
    np.testing.assert_array_equal(data, values, strict=True)
