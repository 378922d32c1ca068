"""Chunks that a zarr array lacks are counted for the user; NaN and stated values are no data."""

import base64
import struct

import numpy as np
import pytest
import zarr

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur.io.zarr import absent_chunks

DATA = (np.arange(40 * 50).reshape(40, 50) % 200 + 5).astype(np.uint16)


def stored(path, version=3, data=DATA, fill=0, **options):
    array = zarr.create_array(
        path, shape=data.shape, dtype=data.dtype, chunks=(10, 10), fill_value=fill,
        zarr_format=version, **options,
    )  # fmt: skip
    array[...] = data
    return path


def lose(path, *names):
    for name in names:
        (path / name).unlink()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("version", "encoding", "names"),
    [
        (2, {"name": "v2", "separator": "."}, ("0.0", "3.4")),
        (2, {"name": "v2", "separator": "/"}, ("0/0", "3/4")),
        (3, {"name": "default", "separator": "/"}, ("c/0/0", "c/3/4")),
        (3, {"name": "default", "separator": "."}, ("c.0.0", "c.3.4")),
        (3, {"name": "v2", "separator": "."}, ("0.0", "3.4")),
    ],
)
def test_absent_chunks_are_counted(tmp_path, version, encoding, names, lazy):
    path = stored(tmp_path / "a.zarr", version, chunk_key_encoding=encoding)
    assert read_image(path, lazy=lazy).metadata["notes"] == ()
    lose(path, *names)
    image = read_image(path, lazy=lazy)
    (note,) = image.metadata["notes"]
    assert note.startswith(f"2 of the 20 chunks of {path} are not stored")
    assert "count as 0 (fill value)" in note
    values = np.asarray(image.data)
    assert (values[:10, :10] == 0).all()
    np.testing.assert_array_equal(values[:10, 10:], DATA[:10, 10:])


def test_absent_shards_are_counted(tmp_path):
    path = stored(tmp_path / "a.zarr", shards=(20, 50))
    lose(path, "c/1/0")
    (note,) = read_image(path).metadata["notes"]
    assert "1 of the 2 shards of" in note


@pytest.mark.parametrize("options", [{}, {"shards": (10, 10)}])
def test_far_more_chunks_or_shards_than_are_stored_are_refused(tmp_path, options, monkeypatch):
    """Zarr asks the file system for each of them, which takes some 50 µs."""
    monkeypatch.setattr(absent_chunks, "MAX_UNCHECKED_CHUNKS", 8)
    monkeypatch.setattr(absent_chunks, "MAX_EXPANSION", 3)
    path = stored(tmp_path / "a.zarr", **options)
    lose(path, *(f"c/{row}/{column}" for row in range(4) for column in range(4)))
    with pytest.raises(ImageError, match=rf"20 {'shards' if options else 'chunks'}, more than"):
        read_image(path)


def test_absent_chunks_of_nan_are_no_data(tmp_path):
    path = stored(tmp_path / "a.zarr", data=DATA.astype(np.float32), fill=np.nan)
    lose(path, "c/1/1")
    image = read_image(path)
    (note,) = image.metadata["notes"]
    assert "1 of the 20 chunks" in note
    assert "no data (fill value NaN)" in note
    assert np.isnan(image.data).sum() == 100


def test_absent_chunks_of_an_ome_zarr_are_counted_in_its_full_size(tmp_path):
    group = zarr.create_group(tmp_path / "a.ome.zarr")
    axes = [{"name": a, "type": "space"} for a in "yx"]
    scale = [{"type": "scale", "scale": [1, 1]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": levels}],
    }
    stored(tmp_path / "a.ome.zarr" / "0")
    lose(tmp_path / "a.ome.zarr", "0/c/2/2")
    (note,) = read_image(tmp_path / "a.ome.zarr").metadata["notes"]
    assert "1 of the 20 chunks" in note


@pytest.mark.parametrize("fill", [0, 7])
@pytest.mark.parametrize("version", [2, 3])
def test_the_fill_value_is_kept(tmp_path, version, fill):
    path = stored(tmp_path / "a.zarr", version, fill=fill)
    write_image(read_image(path), tmp_path / "b.zarr")
    assert zarr.open_array(tmp_path / "b.zarr").fill_value == fill
    small = read_image(path).with_data(DATA.astype(np.uint8))
    small.metadata["zarr"]["fill_value"] = 1000
    write_image(small, tmp_path / "c.zarr")
    assert zarr.open_array(tmp_path / "c.zarr").fill_value == 0


@pytest.mark.parametrize(
    ("key", "stated", "expected"),
    [
        ("_FillValue", 65535, 65535),
        ("missing_value", 9, 9),
        ("_FillValue", base64.b64encode(struct.pack("<d", 12.0)).decode(), 12),
        ("_FillValue", base64.b64encode(struct.pack("<d", np.nan)).decode(), None),
        ("_FillValue", -1, None),
        ("_FillValue", "nothing", None),
        ("_FillValue", True, None),
    ],
)
def test_a_value_that_an_array_states_for_missing_data_is_no_data(tmp_path, key, stated, expected):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(20, 20), dtype="u2").attrs[key] = stated
    assert read_image(path).nodata == expected
