"""Zarr and OME-Zarr: chunks, shards, attributes, pyramids, and an outside validator."""

import json

import dask.array as da
import numpy as np
import ome_zarr_models
import pytest
import zarr

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur.io.zarr.pyramids import halve, level_shapes
from unblur.model.image import Image

RNG = np.random.default_rng(3)
AXES = [
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def counts(*shape):
    return RNG.integers(0, 4000, shape).astype(np.uint16)


def ome_store(path, version, data, **storage):
    """Make an OME-Zarr image with zarr alone: one level, omero channels, an odd attribute."""
    multiscale = {
        "name": "cells",
        "axes": AXES,
        "datasets": [
            {
                "path": "full",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0, 0.5, 0.1, 0.1]},
                    {"type": "translation", "translation": [0.0, 0.0, 7.0, 9.0]},
                ],
            }
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 2.0, 2.0]}],
    }
    window = {"min": 0.0, "max": 65535.0, "start": 10.0, "end": 900.0}
    omero = {
        "channels": [
            {"label": name, "color": "00FF00", "window": window, "active": True}
            for name in ("DAPI", "GFP")
        ],
        "rdefs": {"model": "color"},
    }
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        multiscale["version"] = "0.4"
        group.attrs.update({"multiscales": [multiscale], "omero": omero, "lab": {"room": 7}})
    else:
        ome = {"version": "0.5", "multiscales": [multiscale], "omero": omero}
        group.attrs.update({"ome": ome, "lab": {"room": 7}})
        storage["dimension_names"] = ["c", "z", "y", "x"]
    array = group.create_array("full", shape=data.shape, dtype=data.dtype, **storage)
    array[...] = data
    return path


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_of_both_versions_comes_back_whole(tmp_path, version, lazy):
    data = counts(2, 3, 600, 300)
    storage = {"chunks": (1, 1, 100, 60)}
    if version == "0.5":
        storage.update(
            shards=(1, 1, 200, 120), compressors={"name": "gzip", "configuration": {"level": 3}}
        )
    image = read_image(ome_store(tmp_path / "in.zarr", version, data, **storage), lazy=lazy)
    assert (image.axes, image.channels) == ("CZYX", ("DAPI", "GFP"))
    assert image.pixel_size == pytest.approx({"Z": 0.5, "Y": 0.2, "X": 0.2})
    assert set(image.units.values()) == {"µm"}
    assert image.metadata["chunks"] == (1, 1, 100, 60)
    again = read_image(write_image(image, tmp_path / "out.zarr"))
    np.testing.assert_array_equal(again.data, data)
    for attribute in ("axes", "channels", "pixel_size", "units"):
        assert getattr(again, attribute) == getattr(image, attribute)

    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    array = group["0"]
    assert array.chunks == (1, 1, 100, 60)
    assert array.metadata.zarr_format == (2 if version == "0.4" else 3)
    assert dict(group.attrs)["lab"] == {"room": 7}
    ome = dict(group.attrs) if version == "0.4" else dict(group.attrs)["ome"]
    assert ome["omero"]["channels"][1]["window"]["end"] == 900.0
    assert ome["omero"]["rdefs"] == {"model": "color"}
    assert ome["multiscales"][0]["name"] == "cells"
    first = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert first[1]["translation"] == pytest.approx([0, 0, 14, 18])
    if version == "0.5":
        assert array.shards == (1, 1, 200, 120)
        assert type(array.compressors[0]).__name__ == "GzipCodec"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_outside_validator_accepts_what_is_written(tmp_path, version):
    source = ome_store(tmp_path / "in.zarr", version, counts(2, 3, 600, 300), chunks=(1, 1, 64, 64))
    image = read_image(source)
    history = {**image.metadata, "history": ("deblurred",)}
    write_image(image.with_data(image.data, metadata=history), tmp_path / "out.ome.zarr")
    model = ome_zarr_models.open_ome_zarr(zarr.open_group(tmp_path / "out.ome.zarr", mode="r"))
    assert type(model).__module__.split(".")[1] == ("v04" if version == "0.4" else "v05")
    plain = Image(
        counts(5, 40, 30), "ZYX", {"Z": 1.0, "Y": 0.2, "X": 0.2}, dict.fromkeys("ZYX", "µm")
    )
    write_image(plain, tmp_path / "plain.ome.zarr")
    model = ome_zarr_models.open_ome_zarr(zarr.open_group(tmp_path / "plain.ome.zarr", mode="r"))
    assert type(model).__module__.split(".")[1] == "v05"
    colours = Image(counts(3, 40, 30), "CYX", channels=("red", "green", "blue"))
    write_image(colours, tmp_path / "colours.ome.zarr")
    ome_zarr_models.open_ome_zarr(zarr.open_group(tmp_path / "colours.ome.zarr", mode="r"))


@pytest.mark.parametrize("lazy", [False, True])
def test_the_pyramid_holds_means_at_the_right_places(tmp_path, lazy):
    data = counts(3, 601, 299).astype(np.float32)
    given = da.from_array(data, chunks=(2, 250, 299)) if lazy else data
    sizes = {"Y": 0.5, "X": 0.25}
    image = Image(given, "ZYX", sizes, dict.fromkeys("YX", "µm"))
    write_image(image, tmp_path / "a.ome.zarr")
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    datasets = dict(group.attrs)["ome"]["multiscales"][0]["datasets"]
    assert [d["path"] for d in datasets] == ["0", "1", "2"]
    assert [group[d["path"]].shape for d in datasets] == [
        (3, 601, 299),
        (3, 301, 150),
        (3, 151, 75),
    ]
    np.testing.assert_allclose(
        group["1"][:, :300, :149], data[:, :600, :298].reshape(3, 300, 2, 149, 2).mean((2, 4)),
        rtol=1e-6,
    )  # fmt: skip
    np.testing.assert_allclose(
        group["2"][:, :150, :74], data[:, :600, :296].reshape(3, 150, 4, 74, 4).mean((2, 4)),
        rtol=1e-6,
    )  # fmt: skip
    # The centre of a coarse pixel lies amid those it averages: level 2, pixel 0 covers 0 to 3.
    scale, move = datasets[2]["coordinateTransformations"]
    assert scale["scale"] == [1.0, 2.0, 1.0]
    assert move["translation"] == [0.0, 0.75, 0.375]


def test_halving_rounds_integers_and_leaves_nan_out():
    assert halve(np.array([[1, 2], [2, 2]], np.uint8)).tolist() == [[2]]
    assert halve(np.array([[-1, -2], [-2, -2]], np.int16)).tolist() == [[-2]]
    assert halve(np.array([[1, 3, 9]], np.uint8)).tolist() == [[2, 9]]
    assert halve(np.array([[65535, 65535], [65534, 65535]], np.uint16)).tolist() == [[65535]]
    assert halve(np.full((3, 3), -(2**31), np.int32)).tolist() == [[-(2**31)] * 2] * 2
    assert halve(np.array([[np.nan, 4], [2, np.nan]], np.float32)).tolist() == [[3]]
    assert np.isnan(halve(np.full((2, 2), np.nan, np.float32))).all()
    top = np.iinfo(np.uint64).max
    assert halve(np.full((2, 2), top, np.uint64))[0, 0] > top - 4096
    assert halve(np.array([[True, False], [True, False]])).tolist() == [[True]]


def test_a_small_image_has_one_level():
    assert level_shapes((5, 256, 100)) == [(5, 256, 100)]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_plain_array_stays_one(tmp_path, version, lazy):
    data = counts(100, 90, 4)
    options = {"dimension_names": ["y", "x", "z"], "shards": (64, 64, 4)} if version == 3 else {}
    array = zarr.create_array(
        tmp_path / "in.zarr", shape=data.shape, dtype=data.dtype, chunks=(32, 32, 2),
        zarr_format=version, **options,
    )  # fmt: skip
    array[...] = data
    array.attrs.update({"lab": 7, "_ARRAY_DIMENSIONS": ["y", "x", "z"]})
    image = read_image(tmp_path / "in.zarr", lazy=lazy)
    assert (image.axes, image.shape) == ("ZYX", (4, 100, 90))
    assert image.metadata["chunks"] == (2, 32, 32)
    write_image(image, tmp_path / "out.zarr")
    found = zarr.open(tmp_path / "out.zarr", mode="r")
    assert isinstance(found, zarr.Array)
    np.testing.assert_array_equal(found[...], data)
    assert found.chunks == (32, 32, 2)
    assert found.shards == ((64, 64, 4) if version == 3 else None)
    assert found.metadata.zarr_format == version
    assert found.attrs["lab"] == 7
    again = read_image(tmp_path / "out.zarr")
    assert again.axes == "ZYX"


def test_groups_say_what_to_ask_for(tmp_path):
    group = zarr.create_group(tmp_path / "plate.zarr")
    group.attrs["ome"] = {"version": "0.5", "plate": {}}
    with pytest.raises(ImageError, match=r"plate of many images; .*plate\.zarr/A/1/0"):
        read_image(tmp_path / "plate.zarr")
    group = zarr.create_group(tmp_path / "two.zarr")
    with pytest.raises(ImageError, match="without any array"):
        read_image(tmp_path / "two.zarr")
    for name in ("blue", "red"):
        group.create_array(name, shape=(8, 9), dtype="u1")[...] = 3
    with pytest.raises(ImageError, match=r"two\.zarr/blue' or .*two\.zarr/red"):
        read_image(tmp_path / "two.zarr")
    assert read_image(tmp_path / "two.zarr" / "red").shape == (8, 9)


def test_a_set_of_series_gives_the_first(tmp_path):
    outer = zarr.create_group(tmp_path / "set.zarr", zarr_format=2)
    outer.attrs["bioformats2raw.layout"] = 3
    data = counts(2, 3, 40, 50)
    ome_store(tmp_path / "set.zarr" / "0", "0.4", data, chunks=(1, 1, 40, 50))
    np.testing.assert_array_equal(read_image(tmp_path / "set.zarr").data, data)


def test_axes_that_mean_nothing_here_are_asked_for(tmp_path):
    ome_store(tmp_path / "in.zarr", "0.4", counts(2, 3, 40, 50), chunks=(1, 1, 40, 50))
    attributes = json.loads((tmp_path / "in.zarr" / ".zattrs").read_text())
    attributes["multiscales"][0]["axes"][0]["name"] = "angle"
    (tmp_path / "in.zarr" / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(ImageError, match="the axes angle, z, y, x .* name them with --axes"):
        read_image(tmp_path / "in.zarr")
    assert read_image(tmp_path / "in.zarr", axes="tzyx").axes == "TZYX"


def test_a_ruined_chunk_is_named(tmp_path):
    data = counts(2, 3, 600, 600)
    path = ome_store(tmp_path / "in.zarr", "0.5", data, chunks=(1, 1, 600, 600))
    (path / "full" / "c" / "1" / "2" / "0" / "0").write_bytes(b"nothing")
    image = read_image(path, lazy=True)
    np.testing.assert_array_equal(image.data[0].compute(), data[0])
    with pytest.raises(ImageError, match=r"in\.zarr: the pixels at 1, 2, 0:600, .* cannot be read"):
        image.data[1, 2].compute()


def test_opening_lazily_reads_no_chunk(tmp_path):
    path = ome_store(tmp_path / "in.zarr", "0.5", counts(2, 3, 64, 64), chunks=(1, 1, 64, 64))
    for chunk in (path / "full" / "c").rglob("0"):
        if chunk.is_file():
            chunk.write_bytes(b"nothing")
    assert read_image(path, lazy=True).shape == (2, 3, 64, 64)
