"""Files and stores that another program changes while they are open for lazy reading."""

import json

import numpy as np
import pytest
import zarr

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur.model.image import Image

DATA = np.random.default_rng(4).integers(1, 4000, (48, 64)).astype(np.uint16)


def stored(path, kind):
    """Write DATA in chunks of 16 x 16, and return the array, open for changes."""
    if kind == "ome":
        write_image(Image(DATA, "YX", metadata={"chunks": (16, 16)}), path)
        return zarr.open_group(path, mode="r+")["0"]
    version = {"v2": 2, "v3": 3}[kind]
    array = zarr.create_array(
        path, shape=DATA.shape, dtype=DATA.dtype, chunks=(16, 16), zarr_format=version
    )
    array[...] = DATA
    return array


def opened(folder, kind):
    """Return an image that was read from a new store, the folder of its array, and the array."""
    path = folder / ("a.ome.zarr" if kind == "ome" else "a.zarr")
    array = stored(path, kind)
    image = read_image(path, lazy=True)
    np.testing.assert_array_equal(image.data.compute(), DATA)
    return image, path / "0" if kind == "ome" else path, array


@pytest.mark.parametrize("kind", ["v2", "v3", "ome"])
def test_a_store_resized_in_place_is_refused_until_it_has_its_shape_again(tmp_path, kind):
    image, _, array = opened(tmp_path, kind)
    array.resize((16, 64))
    with pytest.raises(ImageError, match=r"has the shape \(16, 64\), and had \(48, 64\) when it"):
        image.data.compute()
    array.resize((48, 64))
    array[...] = DATA + 1
    np.testing.assert_array_equal(image.data.compute(), DATA + 1)


@pytest.mark.parametrize("kind", ["v2", "v3", "ome"])
def test_a_store_written_anew_in_other_chunks_is_read_by_them(tmp_path, kind):
    image, place, _ = opened(tmp_path, kind)
    again = zarr.create_array(
        place, shape=DATA.shape, dtype=DATA.dtype, chunks=(12, 32), overwrite=True,
        zarr_format=2 if kind == "v2" else 3,
    )  # fmt: skip
    again[...] = DATA + 2
    np.testing.assert_array_equal(image.data.compute(), DATA + 2)


@pytest.mark.parametrize("kind", ["v2", "v3", "ome"])
def test_a_store_whose_metadata_are_rewritten_in_the_same_file_is_seen_to_change(tmp_path, kind):
    image, place, _ = opened(tmp_path, kind)
    metadata = place / (".zarray" if kind == "v2" else "zarr.json")
    stated = json.loads(metadata.read_text())
    stated["shape"] = [16, 64]
    metadata.write_text(json.dumps(stated))  # which leaves the time of the folder
    with pytest.raises(ImageError, match=r"has the shape \(16, 64\), and had \(48, 64\) when it"):
        image.data.compute()


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.fits", "a.ome.zarr"])
@pytest.mark.parametrize("other", [DATA[:16], DATA.astype(np.float32) / 2], ids=["shape", "dtype"])
def test_a_file_replaced_by_another_image_is_refused(tmp_path, name, other):
    if name == "a.fits":
        pytest.importorskip("astropy")
    write_image(Image(DATA, "YX"), tmp_path / name)
    image = read_image(tmp_path / name, lazy=True)
    np.testing.assert_array_equal(image.data.compute(), DATA)
    write_image(Image(other, "YX"), tmp_path / name, overwrite=True)
    with pytest.raises(ImageError, match=r"and had .* when it was opened; another program"):
        image.data.compute()
