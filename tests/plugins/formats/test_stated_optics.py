"""The optics that a microscope states, from one format to another."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile

from unblur.io import read_image, read_kernel_values, write_image
from unblur.model.image import Image

OPTICS = {
    "na": 1.4,
    "immersion": "oil",
    "refractive_index": 1.518,
    "magnification": 63.0,
    "objective": "Plan-Apochromat 63x/1.40 Oil",
    "channels": (
        {"excitation_nm": 405.0, "emission_nm": 450.0},
        {"excitation_nm": 488.0, "emission_nm": 520.0, "pinhole_um": 50.0},
    ),
}


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_optics_are_kept(tmp_path, name):
    image = Image(np.zeros((2, 20, 24), np.uint8), "CYX", metadata={"optics": OPTICS})
    found = read_image(write_image(image, tmp_path / name)).metadata["optics"]
    assert {**found, "channels": tuple(found["channels"])} == OPTICS


@pytest.mark.parametrize("names", [("a.ome.tif", "b.ome.zarr"), ("a.ome.zarr", "b.ome.tif")])
@pytest.mark.parametrize("channels", [("DAPI", "GFP"), ()])
def test_display_colours_are_kept(tmp_path, names, channels):
    colours = ("FF8000", "00FF40")
    data = np.zeros((2, 20, 24), np.uint8)
    image = Image(data, "CYX", channels=channels, metadata={"colours": colours})
    for name in names:
        image = read_image(write_image(image, tmp_path / name))
        assert (image.metadata["colours"], image.channels) == (colours, channels)
    with tifffile.TiffFile(next(tmp_path.glob("*.tif"))) as tif:
        stated = ET.fromstring(tif.ome_metadata).findall("{*}Image/{*}Pixels/{*}Channel")
    assert [int(c.get("Color")) % 2**32 for c in stated] == [0xFF8000FF, 0x00FF40FF]
    plain = read_image(write_image(Image(data, "CYX", channels=("a", "b")), tmp_path / names[0],
                                   overwrite=True))  # fmt: skip
    assert "colours" not in plain.metadata


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_a_white_channel_takes_no_colour_from_the_others(tmp_path, name):
    colours = ("FFFFFF", "00FF40", "FFFFFF")
    image = Image(np.zeros((3, 20, 24), np.uint8), "CYX", metadata={"colours": colours})
    assert read_image(write_image(image, tmp_path / name)).metadata["colours"] == colours


def test_a_channel_without_a_colour_is_white_as_ome_defines(tmp_path):
    image = Image(np.zeros((2, 20, 24), np.uint8), "CYX", metadata={"colours": ("00FF40",) * 2})
    path = write_image(image, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tif:
        stated = 'Color="16728319"'  # 0x00FF40FF
        assert tif.ome_metadata.count(stated) == 2
        xml = tif.ome_metadata.replace(stated, "", 1)
    tifffile.tiffcomment(path, xml.encode())
    assert read_image(path).metadata["colours"] == ("FFFFFF", "00FF40")


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_the_name_of_a_single_channel_is_kept(tmp_path, name):
    image = Image(np.zeros((20, 24), np.uint8), "YX", channels=("GFP",))
    found = read_image(write_image(image, tmp_path / name))
    assert (found.axes, found.channels) == ("YX", ("GFP",))
    assert read_kernel_values(tmp_path / name).values.shape == (20, 24)


def test_a_second_reader_finds_them_where_the_schema_has_them(tmp_path):
    image = Image(np.zeros((2, 20, 24), np.uint8), "CYX", metadata={"optics": OPTICS})
    with tifffile.TiffFile(write_image(image, tmp_path / "a.ome.tif")) as tif:
        root = ET.fromstring(tif.ome_metadata)
    order = [child.tag.rpartition("}")[2] for child in root]
    assert order == ["Instrument", "Image"]
    objective = root.find("{*}Instrument/{*}Objective")
    assert (objective.get("LensNA"), objective.get("Immersion")) == ("1.4", "Oil")
    children = [child.tag.rpartition("}")[2] for child in root.find("{*}Image")]
    assert children == ["InstrumentRef", "ObjectiveSettings", "Pixels"]
    channel = root.findall("{*}Image/{*}Pixels/{*}Channel")[1]
    assert channel.get("EmissionWavelength") == "520.0"


def test_units_other_than_the_defaults_and_odd_values(tmp_path):
    image = Image(np.zeros((2, 20, 24), np.uint8), "CYX", metadata={"optics": OPTICS})
    path = write_image(image, tmp_path / "a.ome.tif")
    xml = tifffile.tiffcomment(path)
    xml = xml.replace('EmissionWavelength="450.0" EmissionWavelengthUnit="nm"',
                      'EmissionWavelength="0.45" EmissionWavelengthUnit="um"')  # fmt: skip
    tifffile.tiffcomment(path, xml.replace('LensNA="1.4"', 'LensNA="unknown"'))
    found = read_image(path).metadata["optics"]
    assert "na" not in found
    assert found["channels"][0]["emission_nm"] == pytest.approx(450)


def test_fits_states_them_by_keywords(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    data = np.zeros((2, 20, 24), np.uint8)
    image = Image(data, "CYX", channels=("DAPI", "µ-GFP"), metadata={"optics": OPTICS})
    header = fits.getheader(write_image(image, tmp_path / "a.fits"))
    assert (header["OBJNA"], header["IMMERSIO"], header["OBJMAG"]) == (1.4, "oil", 63.0)
    assert (header["CHNAME1"], header["CHNAME2"]) == ("DAPI", "?-GFP")
    assert (header["EXWAVE2"], header["EMWAVE2"], header["PINHOL2"]) == (488.0, 520.0, 50.0)
