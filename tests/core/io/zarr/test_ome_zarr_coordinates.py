"""Coordinate systems of OME-Zarr 0.6, and the levels of pyramids of all versions."""

import json

import numpy as np
import pytest
import zarr

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur.io.zarr.pyramids import reduce_by

RNG = np.random.default_rng(8)
PHYSICAL = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
PLAIN = [{"name": a, "type": "space"} for a in "zyx"]
SYSTEMS = [{"name": "intrinsic", "axes": PHYSICAL}]


def linked(step, path="s0", output="intrinsic"):
    return {**step, "input": {"path": path}, "output": {"name": output}}


def scaled(*scale):
    return {"type": "scale", "scale": list(scale)}


def moved(*translation):
    return {"type": "translation", "translation": list(translation)}


def sequence(*steps):
    return {"type": "sequence", "transformations": list(steps)}


def stored(path, steps, systems=SYSTEMS, version="0.6", shapes=((6, 40, 50),), **more):
    """Write an OME-Zarr 0.6 image with zarr alone; `steps` is one transformation a level."""
    group = zarr.create_group(path, zarr_format=3)
    for number, shape in enumerate(shapes):
        array = group.create_array(
            f"s{number}", shape=shape, dtype="u2", chunks=(2, 20, 20), dimension_names=list("zyx")
        )
        array[...] = RNG.integers(1, 999, shape)
    datasets = [
        {"path": f"s{number}", "coordinateTransformations": [step]}
        for number, step in enumerate(steps)
    ]
    multiscale = {"name": "cells", "coordinateSystems": systems, "datasets": datasets, **more}
    group.attrs["ome"] = {"version": version, "multiscales": [multiscale]}
    return path


def multiscale_of(path):
    return dict(zarr.open_group(path, mode="r").attrs)["ome"]["multiscales"][0]


def result_of(path, tmp_path, **changes):
    image = read_image(path)
    image = image.cropped(*changes["crop"]) if changes else image
    return multiscale_of(write_image(image, tmp_path / "out.ome.zarr"))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("version", ["0.6", "0.6rc0", "0.6.dev4"])
def test_the_draft_of_version_6_comes_back(tmp_path, version, lazy):
    systems = [{"name": "world", "axes": PHYSICAL}, *SYSTEMS]
    systems[1] = {
        "name": "intrinsic",
        "axes": [{**a, "longName": "to the right"} for a in PHYSICAL],
    }
    further = [
        {
            **{"type": "rotation", "rotation": [[1, 0, 0], [0, 0, -1], [0, 1, 0]]},
            **{"input": {"name": "intrinsic"}, "output": {"name": "world"}},
        },
        {
            **{"type": "identity", "input": {"name": "intrinsic"}},
            "output": {"name": "intrinsic", "path": "labels/cells"},
        },
    ]
    step = linked(sequence(scaled(0.5, 0.1, 0.2), moved(0, 7, 9)))
    path = stored(tmp_path / "in.zarr", [step], systems, version, coordinateTransformations=further)
    image = read_image(path, lazy=lazy)
    assert (image.axes, image.shape) == ("ZYX", (6, 40, 50))
    assert image.pixel_size == {"Z": 0.5, "Y": 0.1, "X": 0.2}
    assert set(image.units.values()) == {"µm"}
    assert image.metadata["notes"] == ()
    write_image(image, tmp_path / "out.ome.zarr")
    assert dict(zarr.open_group(tmp_path / "out.ome.zarr").attrs)["ome"]["version"] == version
    made = multiscale_of(tmp_path / "out.ome.zarr")
    assert made["coordinateSystems"] == systems
    assert made["coordinateTransformations"] == further[:1]
    assert "axes" not in made
    (level,) = made["datasets"]
    (found,) = level["coordinateTransformations"]
    assert (found["input"], found["output"]) == ({"path": "0"}, {"name": "intrinsic"})
    assert found["type"] == "sequence"
    scale, move = found["transformations"]
    assert scale["scale"] == pytest.approx([0.5, 0.1, 0.2])
    assert move["translation"] == pytest.approx([0, 7, 9])
    again = read_image(tmp_path / "out.ome.zarr")
    assert (again.pixel_size, again.units) == (image.pixel_size, image.units)
    np.testing.assert_array_equal(again.data, np.asarray(image.data))


def test_a_crop_moves_the_position(tmp_path):
    path = stored(tmp_path / "in.zarr", [linked(scaled(0.5, 0.1, 0.2))])
    made = result_of(path, tmp_path, crop=(slice(10, 30), slice(20, 50)))
    (found,) = made["datasets"][0]["coordinateTransformations"]
    assert found["transformations"][1]["translation"] == pytest.approx([0, 1, 4])


@pytest.mark.parametrize(
    ("step", "sizes"),
    [
        ({"type": "identity"}, (1, 1, 1)),
        (sequence(scaled(2, 3, 4)), (2, 3, 4)),
        (sequence(scaled(1, 2, 2), sequence(scaled(2, 2, 2), moved(1, 1, 1))), (2, 4, 4)),
        ({"type": "affine", "affine": [[2, 0, 0, 5], [0, 3, 0, 6], [0, 0, 4, 7]]}, (2, 3, 4)),
    ],
)
def test_transformations_that_only_scale_and_move(tmp_path, step, sizes):
    image = read_image(stored(tmp_path / "in.zarr", [linked(step)]))
    assert tuple(image.pixel_size[a] for a in "ZYX") == sizes
    assert image.metadata["notes"] == ()


def test_an_affine_that_turns_is_noted_and_kept(tmp_path):
    affine = {"type": "affine", "affine": [[2, 0, 0, 5], [0, 0, -0.5, 6], [0, 0.5, 0, 7]]}
    path = stored(tmp_path / "in.zarr", [linked(affine)])
    image = read_image(path)
    assert image.pixel_size == {"Z": 2, "Y": 0.5, "X": 0.5}
    (note,) = image.metadata["notes"]
    assert "'affine') turn, shear or mirror" in note
    assert note.endswith("they are kept in the result.")
    made = result_of(path, tmp_path, crop=(slice(4, 30), slice(0, 50)))
    (found,) = made["datasets"][0]["coordinateTransformations"]
    first, move, last = found["transformations"]
    assert (first["scale"], move["translation"]) == ([1, 1, 1], [0, 4, 0])
    assert last == affine


def test_a_transformation_that_is_not_understood_gives_no_pixel_size(tmp_path):
    field = {"type": "displacements", "path": "field"}
    path = stored(tmp_path / "in.zarr", [linked(field)])
    image = read_image(path)
    assert image.pixel_size == {}
    assert "('displacements') are not understood" in image.metadata["notes"][0]
    (found,) = result_of(path, tmp_path)["datasets"][0]["coordinateTransformations"]
    assert found["transformations"] == [scaled(1, 1, 1), field]


@pytest.mark.parametrize("is_inverse", [False, True])
def test_units_of_another_system_count_where_the_intrinsic_one_has_none(tmp_path, is_inverse):
    systems = [{"name": "array", "axes": PLAIN}, {"name": "physical", "axes": PHYSICAL}]
    ends = {"input": {"name": "array"}, "output": {"name": "physical"}}
    factor = scaled(4, 0.5, 0.25)
    if is_inverse:
        ends = {"input": ends["output"], "output": ends["input"]}
        factor = scaled(0.25, 2, 4)
    step = linked(sequence(scaled(1, 1, 1), moved(0, 3, 0)), output="array")
    further = [{**factor, **ends}]
    path = stored(tmp_path / "in.zarr", [step], systems, coordinateTransformations=further)
    image = read_image(path)
    assert image.pixel_size == {"Z": 4, "Y": 0.5, "X": 0.25}
    assert set(image.units.values()) == {"µm"}
    made = result_of(path, tmp_path)
    assert made["coordinateSystems"] == systems
    assert made["coordinateTransformations"] == further
    (found,) = made["datasets"][0]["coordinateTransformations"]
    assert found["transformations"] == [scaled(1, 1, 1), moved(0, 3, 0)]


def test_links_of_early_drafts_stay_strings(tmp_path):
    step = {**scaled(1, 2, 2), "input": "s0", "output": "intrinsic"}
    path = stored(tmp_path / "in.zarr", [step], version="0.6.dev3")
    (found,) = result_of(path, tmp_path)["datasets"][0]["coordinateTransformations"]
    assert (found["input"], found["output"]) == ("0", "intrinsic")
    assert read_image(tmp_path / "out.ome.zarr").pixel_size == {"Z": 1, "Y": 2, "X": 2}


def test_axes_in_another_order_leave_the_intrinsic_system(tmp_path):
    axes = [PHYSICAL[i] for i in (2, 1, 0)]
    systems = [{"name": "intrinsic", "axes": axes}, {"name": "world", "axes": axes}]
    further = [
        {"type": "identity", "input": {"name": "intrinsic"}, "output": {"name": "world"}},
    ]
    step = linked(sequence(scaled(0.1, 0.2, 3), moved(1, 2, 3)))
    path = stored(tmp_path / "in.zarr", [step], systems, coordinateTransformations=further)
    image = read_image(path)
    assert (image.axes, image.pixel_size) == ("ZYX", {"X": 0.1, "Y": 0.2, "Z": 3})
    made = result_of(path, tmp_path)
    assert [s["name"] for s in made["coordinateSystems"]] == ["intrinsic"]
    assert [a["name"] for a in made["coordinateSystems"][0]["axes"]] == ["z", "y", "x"]
    assert "coordinateTransformations" not in made
    (found,) = made["datasets"][0]["coordinateTransformations"]
    assert found["transformations"] == [scaled(3, 0.2, 0.1), moved(3, 2, 1)]


def test_no_coordinate_system_is_refused(tmp_path):
    path = stored(tmp_path / "in.zarr", [linked(scaled(1, 1, 1))], systems=[])
    with pytest.raises(ImageError, match="its list of coordinate systems is empty"):
        read_image(path)


def test_an_outside_model_accepts_version_6(tmp_path):
    v06 = pytest.importorskip("ome_zarr_models.v06", reason="needs a newer ome-zarr-models")
    shapes = ((6, 40, 50), (3, 20, 25))
    steps = [
        linked(scaled(0.5, 0.1, 0.2)),
        linked(sequence(scaled(1, 0.2, 0.4), moved(0.25, 0.05, 0.1)), "s1"),
    ]
    path = stored(tmp_path / "in.zarr", steps, shapes=shapes)
    v06.Image.from_zarr(zarr.open_group(path, mode="r"))
    write_image(read_image(path), tmp_path / "out.ome.zarr")
    model = v06.Image.from_zarr(zarr.open_group(tmp_path / "out.ome.zarr", mode="r"))
    first, second = model.datasets[0]
    assert first.coordinateTransformations[0].scale == (0.5, 0.1, 0.2)
    scale, move = second.coordinateTransformations[0].transformations
    assert (scale.scale, move.translation) == ((1, 0.2, 0.4), (0.25, 0.05, 0.1))


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
@pytest.mark.parametrize(
    "shapes",
    [
        [(6, 600, 500)],
        [(6, 40, 50), (6, 20, 25), (6, 10, 13), (6, 5, 7)],
        [(6, 40, 50), (3, 10, 12)],
    ],
    ids=["one level", "small levels", "by four and in depth"],
)
def test_the_pyramid_has_as_many_levels_as_the_input(tmp_path, version, shapes):
    group = zarr.create_group(tmp_path / "in.zarr", zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for number, shape in enumerate(shapes):
        options = {} if version == "0.4" else {"dimension_names": list("zyx")}
        chunks = tuple(-(-n // 3) for n in shape)
        array = group.create_array(str(number), shape=shape, dtype="f4", chunks=chunks, **options)
        array[...] = RNG.random(shape)
        scale = scaled(*(a / b for a, b in zip(shapes[0], shape, strict=True)))
        step = linked(scale, str(number)) if version == "0.6" else scale
        datasets.append({"path": str(number), "coordinateTransformations": [step]})
    axes = {"coordinateSystems": SYSTEMS} if version == "0.6" else {"axes": PHYSICAL}
    multiscale = {**axes, "datasets": datasets}
    if version == "0.4":
        group.attrs["multiscales"] = [{**multiscale, "version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale]}
    image = read_image(tmp_path / "in.zarr")
    for source in (image, image.cropped(slice(0, 7), slice(3, 12))):
        write_image(source, tmp_path / "out.ome.zarr", overwrite=True)
        made = zarr.open_group(tmp_path / "out.ome.zarr", mode="r")
        attributes = dict(made.attrs)
        ome = attributes if version == "0.4" else attributes["ome"]
        levels = [made[d["path"]] for d in ome["multiscales"][0]["datasets"]]
        assert len(levels) == len(shapes)
        factors = (
            tuple(round(a / b) for a, b in zip(*shapes[:2], strict=True)) if shapes[1:] else ()
        )
        if factors:
            np.testing.assert_allclose(levels[1][...], reduce_by(source.data, factors), rtol=1e-6)
        assert json.dumps(ome).count("coordinateSystems") == (version == "0.6")


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_means_over_boxes(dtype):
    block = (RNG.random((5, 7, 9)) * 100).astype(dtype)
    made = reduce_by(block, (2, 3, 4))
    padded = np.pad(block, ((0, 1), (0, 2), (0, 3)), mode="edge").astype(np.float64)
    expected = padded.reshape(3, 2, 3, 3, 3, 4).mean((1, 3, 5))
    assert (made.dtype, made.shape) == (block.dtype, (3, 3, 3))
    np.testing.assert_allclose(made, expected, atol=0.5 if dtype[0] != "f" else 1e-4)
    nothing = np.where(block > 50, np.nan, block.astype(np.float64))
    assert np.isnan(reduce_by(np.full_like(nothing, np.nan), (2, 3, 4))).all()
    kept = reduce_by(nothing, (5, 7, 9)).item()
    assert kept == pytest.approx(np.nanmean(nothing), rel=1e-6)


def test_the_first_of_several_images_is_read_with_a_note(tmp_path):
    outer = zarr.create_group(tmp_path / "set.zarr")
    outer.attrs["ome"] = {"version": "0.6", "bioformats2raw.layout": 3}
    for name in ("0", "1"):
        stored(tmp_path / "set.zarr" / name, [linked(scaled(1, 1, 1))])
    (note,) = read_image(tmp_path / "set.zarr").metadata["notes"]
    assert "holds 2 images, of which this is the first; the next is" in note
    assert note.endswith("set.zarr/1'.")
    assert read_image(tmp_path / "set.zarr" / "1").metadata["notes"] == ()


def test_labels_are_not_copied_and_this_is_noted(tmp_path):
    path = stored(tmp_path / "in.zarr", [linked(scaled(1, 1, 1))])
    zarr.open_group(path, mode="r+").create_group("labels")
    (note,) = read_image(path).metadata["notes"]
    assert "label images of" in note


def test_a_negative_scale_is_a_direction(tmp_path):
    image = read_image(stored(tmp_path / "a.ome.zarr", [linked(scaled(-0.5, 0.2, -0.2))]))
    assert image.pixel_size == {"Z": 0.5, "Y": 0.2, "X": 0.2}
