"""What a TIFF states besides its pixels: units, orientation, colour space, place, sets of files."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
import tifffile
from PIL import Image as pil

import unblur
from unblur.errors import ImageError

STACK = np.arange(6 * 20 * 30, dtype=np.uint16).reshape(6, 20, 30)


def imagej(path, lines, data=STACK, resolution=(10.0, 10.0)):
    """Write a stack with an ImageJ description, and return the path."""
    text = f"ImageJ=1.54f\nimages={len(data)}\n{lines}loop=false\n"
    tifffile.imwrite(
        path, data, description=text, metadata=None, resolution=resolution, resolutionunit=1,
        photometric="minisblack",
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("lines", "resolution", "sizes", "units"),
    [
        ("slices=6\nunit=um\nyunit=nm\nzunit=nm\nspacing=300\n", (10.0, 0.01),
         {"X": 0.1, "Y": 100, "Z": 300}, {"X": "µm", "Y": "nm", "Z": "nm"}),
        ("slices=6\nunit=um\nspacing=-0.3\n", (10.0, 10.0),
         {"X": 0.1, "Y": 0.1, "Z": 0.3}, {"X": "µm", "Y": "µm", "Z": "µm"}),
        ("slices=6\nunit=\\u00B5m\nspacing=0.3\n", (10.0, 10.0),
         {"X": 0.1, "Y": 0.1, "Z": 0.3}, {"X": "µm", "Y": "µm", "Z": "µm"}),
        ("slices=6\nunit=\\u00C5\nspacing=3\n", (10.0, 10.0),
         {"X": 0.1, "Y": 0.1, "Z": 3}, {"X": "Å", "Y": "Å", "Z": "Å"}),
        ("frames=6\nfinterval=2.0\ntunit=min\nunit=um\n", (10.0, 10.0),
         {"X": 0.1, "Y": 0.1, "T": 2}, {"X": "µm", "Y": "µm", "T": "min"}),
        ("frames=6\nfps=5.0\nunit=um\n", (10.0, 10.0),
         {"X": 0.1, "Y": 0.1, "T": 0.2}, {"X": "µm", "Y": "µm", "T": "s"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", ["b.tif", "b.ome.tif", "b.ome.zarr"])
def test_sizes_of_imagej_in_every_unit(tmp_path, lines, resolution, sizes, units, target):
    path = imagej(tmp_path / "a.tif", lines, resolution=resolution)
    image = unblur.read_image(path)
    assert image.pixel_size == pytest.approx(sizes)
    assert image.units == units
    again = unblur.read_image(unblur.write_image(image, tmp_path / target))
    for axis, size in sizes.items():
        factor = {("nm", "µm"): 1000}.get((units[axis], again.units[axis]), 1)
        assert again.pixel_size[axis] * factor == pytest.approx(size, rel=1e-4), axis
        assert factor != 1 or again.units[axis] == units[axis]


@pytest.mark.parametrize("lazy", [False, True])
def test_signed_values_of_imagej_are_signed(tmp_path, lazy):
    lines = "slices=6\ncf=0\nc0=-32768\nc1=1\nvunit=Gray Value\n"
    image = unblur.read_image(imagej(tmp_path / "a.tif", lines), lazy=lazy)
    assert image.dtype == np.int16
    np.testing.assert_array_equal(np.asarray(image.data), STACK.astype(np.int32) - 32768)


def test_other_calibrations_of_imagej_are_written_back(tmp_path):
    lines = "slices=6\ncf=0\nc0=5.5\nc1=0.25\nvunit=OD\n"
    image = unblur.read_image(imagej(tmp_path / "a.tif", lines))
    unblur.write_image(image, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        found = tif.imagej_metadata
    assert (found["c0"], found["c1"], found["vunit"]) == (5.5, 0.25, "OD")


def picture(path, orientation=6):
    rgb = np.tile(np.arange(30, dtype=np.uint8)[:, None], (20, 1, 3))
    exif = pil.Exif()
    exif[274], exif[271] = orientation, "Camera"
    if path.suffix == ".tif":
        tags = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(path, rgb, photometric="rgb", metadata=None, extratags=tags)
    else:
        pil.fromarray(rgb).save(path, exif=exif)
    return path


@pytest.mark.parametrize("source", ["a.tif", "a.jpg", "a.png"])
@pytest.mark.parametrize("target", ["b.tif", "b.jpg", "b.png"])
def test_the_orientation_is_kept_between_formats(tmp_path, source, target):
    image = unblur.read_image(picture(tmp_path / source))
    unblur.write_image(image, tmp_path / target)
    if target == "b.tif":
        with tifffile.TiffFile(tmp_path / target) as tif:
            assert tif.pages[0].tags.valueof(274) == 6
    else:
        with pil.open(tmp_path / target) as made:
            assert made.getexif()[274] == 6


@pytest.mark.parametrize(("space", "name"), [("cielab", "CIELab"), ("ycbcr", "YCbCr")])
def test_colours_that_are_not_light_are_refused_by_name(tmp_path, space, name):
    rgb = np.zeros((16, 16, 3), np.uint8)
    if space == "ycbcr":
        pil.fromarray(rgb).convert("YCbCr").save(tmp_path / "a.tif")
    else:
        tifffile.imwrite(tmp_path / "a.tif", rgb, photometric=space, metadata=None)
    with pytest.raises(ImageError, match=f"holds {name} colours; convert it to RGB"):
        unblur.read_image(tmp_path / "a.tif")


def test_a_jpeg_of_four_inks_becomes_one_page_of_four_inks(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    pil.fromarray(rgb).convert("CMYK").save(tmp_path / "a.jpg")
    unblur.write_image(unblur.read_image(tmp_path / "a.jpg"), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert len(tif.pages) == 1
        assert int(tif.pages[0].photometric) == 5
    assert unblur.read_image(tmp_path / "b.tif").channels == ("cyan", "magenta", "yellow", "black")


def test_the_picture_is_taken_and_not_its_thumbnail(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.zeros((8, 8), np.uint8), subfiletype=1, metadata=None)
        tif.write(np.zeros((80, 90), np.uint8), metadata=None)
    assert unblur.read_image(tmp_path / "a.tif").shape == (80, 90)


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("float32", "-9999", -9999.0),
        ("float32", "-3.4028234663852886e+38", float(np.finfo(np.float32).min)),
        ("uint16", "0", 0.0),
        ("uint8", "256", None),
        ("float32", "nan", None),
        ("uint8", "none", None),
    ],
)
def test_gdal_states_which_pixels_have_no_data(tmp_path, dtype, text, value):
    tags = [(42113, 2, 0, text, True)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9), dtype), metadata=None, extratags=tags)
    image = unblur.read_image(tmp_path / "a.tif")
    assert image.nodata == value
    unblur.write_image(image, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.pages[0].tags.valueof(42113).strip("\0 ") == text


GEO = [
    (33550, 12, 3, (10.0, 20.0, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 500000.0, 4e6, 0.0), True),
]
TRANSFORMED = [(34264, 12, 16, (10.0, 1, 0, 5e5, 2, -20.0, 0, 4e6, 0, 0, 0, 0, 0, 0, 0, 1.0), True)]


@pytest.mark.parametrize("tags", [GEO, TRANSFORMED])
def test_a_cropped_geotiff_keeps_its_place(tmp_path, tags):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((50, 60), np.uint8), metadata=None, extratags=tags
    )
    part = unblur.read_image(tmp_path / "a.tif").cropped(slice(7, 30), slice(4, 40))
    unblur.write_image(part, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        found = tif.pages[0].tags
        if tags is GEO:
            assert found.valueof(33922)[3:5] == (500000.0 + 4 * 10, 4e6 - 7 * 20)
        else:
            matrix = np.reshape(found.valueof(34264), (4, 4))
            expected = np.reshape(tags[0][3], (4, 4)) @ (4, 7, 0, 1)
            np.testing.assert_allclose(matrix[:, 3], expected)


OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def pixels(inner, planes=3):
    return (
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
        f'SizeX="30" SizeY="20" SizeZ="{planes}" SizeC="1" SizeT="1" PhysicalSizeX="0.1" '
        f'PhysicalSizeY="0.2"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{inner}'
        "</Pixels></Image>"
    )


def set_of_files(folder):
    """Write one image as three files, and return their paths."""
    ids = [f"urn:uuid:{uuid.UUID(int=n)}" for n in range(1, 4)]
    data = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="s{z}.ome.tif">{name}</UUID></TiffData>'
        for z, name in enumerate(ids)
    )
    paths = []
    for z, name in enumerate(ids):
        xml = f'<?xml version="1.0"?><OME xmlns="{OME}" UUID="{name}">{pixels(data)}</OME>'
        paths.append(folder / f"s{z}.ome.tif")
        tifffile.imwrite(paths[-1], STACK[z], description=xml, metadata=None)
    return paths


@pytest.mark.parametrize("lazy", [False, True])
def test_a_set_of_files_is_one_image(tmp_path, lazy):
    image = unblur.read_image(set_of_files(tmp_path)[0], lazy=lazy)
    np.testing.assert_array_equal(np.asarray(image.data), STACK[:3])


@pytest.mark.parametrize("how", ["missing", "empty", "alone"])
def test_a_file_missing_from_a_set_is_named(tmp_path, how):
    first, _, third = set_of_files(tmp_path)
    third.unlink()
    if how == "empty":
        third.touch()
    if how == "alone":
        (tmp_path / "b").mkdir()
        first = first.rename(tmp_path / "b" / "renamed.ome.tif")
    with pytest.raises(
        ImageError, match=r"s[12]\.ome\.tif is missing or empty; copy the whole set"
    ):
        unblur.read_image(first)


@pytest.mark.parametrize("lazy", [False, True])
def test_metadata_in_a_companion_file_are_followed(tmp_path, lazy):
    binary = (
        f'<?xml version="1.0"?><OME xmlns="{OME}"><BinaryOnly MetadataFile="m.companion.ome" '
        f'UUID="urn:uuid:{uuid.UUID(int=9)}"/></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK[:3], description=binary, metadata=None, photometric="minisblack")
    with pytest.raises(ImageError, match=r"m\.companion\.ome, which is missing or empty"):
        unblur.read_image(path)
    data = (
        '<TiffData IFD="0" PlaneCount="3"><UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData>'
    )
    text = f'<?xml version="1.0"?><OME xmlns="{OME}">{pixels(data)}</OME>'
    (tmp_path / "m.companion.ome").write_text(text, encoding="utf-8")
    image = unblur.read_image(path, lazy=lazy)
    assert (image.axes, image.pixel_size) == ("ZYX", {"X": 0.1, "Y": 0.2})
    np.testing.assert_array_equal(np.asarray(image.data), STACK[:3])


def test_the_stage_position_moves_with_a_crop(tmp_path):
    data = '<TiffData IFD="0" PlaneCount="3"/>' + "".join(
        f'<Plane TheZ="{z}" TheC="0" TheT="0" PositionX="10" PositionXUnit="µm" '
        'PositionY="3" PositionYUnit="µm"/>'
        for z in range(3)
    )
    text = f'<?xml version="1.0"?><OME xmlns="{OME}">{pixels(data)}</OME>'
    xml = text.encode("ascii", "xmlcharrefreplace").decode()
    tifffile.imwrite(
        tmp_path / "a.ome.tif", STACK[:3], description=xml, metadata=None, photometric="minisblack"
    )
    part = unblur.read_image(tmp_path / "a.ome.tif").cropped(slice(5, 15), slice(7, 20))
    unblur.write_image(part, tmp_path / "b.ome.tif")
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        found = tif.ome_metadata
    assert 'PositionX="10.7"' in found
    assert 'PositionY="4.0"' in found


def test_the_translation_of_an_ome_zarr_moves_with_a_crop(tmp_path):
    image = unblur.read_image(imagej(tmp_path / "a.tif", "slices=6\nunit=um\nspacing=0.3\n"))
    part = image.cropped(slice(5, 15), slice(7, 20))
    again = unblur.read_image(unblur.write_image(part, tmp_path / "b.ome.zarr"))
    moved = again.metadata["ome-zarr"]["coordinates"].translation
    assert moved == pytest.approx((0, 0.5, 0.7))


def test_the_first_image_of_an_ome_tiff_is_read_with_a_note(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        for number in range(3):
            sizes = {"PhysicalSizeX": 0.1 + number, "PhysicalSizeXUnit": "µm"}
            tif.write(STACK + number, metadata={"axes": "ZYX", **sizes})
    (note,) = unblur.read_image(tmp_path / "a.ome.tif").metadata["notes"]
    assert "holds 3 images, of which this is the first" in note
    assert note.endswith("a.ome.tif[1].")
    second = unblur.read_image(tmp_path / "a.ome.tif[1]")
    assert second.metadata["notes"] == ()
    assert second.pixel_size["X"] == pytest.approx(1.1)
    np.testing.assert_array_equal(second.data, STACK + 1)
