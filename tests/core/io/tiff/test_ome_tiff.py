"""OME-TIFF: its XML is read, and comes back with all that it holds."""

import numpy as np
import pytest
import tifffile
from tiff_for_tests import counts, through

from unblur.errors import OutputError
from unblur.io import read_image, write_image
from unblur.model.image import Image

OME = """<?xml version="1.0"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"
 UUID="urn:uuid:12345678-1234-1234-1234-123456789abc"><Instrument ID="Instrument:0">
<Objective ID="Objective:0" LensNA="1.45" Model="Plan &#181;"/></Instrument>
<Image ID="Image:0" Name="cells"><InstrumentRef ID="Instrument:0"/>
<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="40" SizeY="30" SizeC="2" SizeZ="3"
 SizeT="1" SignificantBits="12" PhysicalSizeX="65" PhysicalSizeXUnit="nm" PhysicalSizeY="65"
 PhysicalSizeYUnit="nm" PhysicalSizeZ="0.2">
<Channel ID="Channel:0:0" Name="DAPI" EmissionWavelength="461" SamplesPerPixel="1"/>
<Channel ID="Channel:0:1" Name="GFP" EmissionWavelength="510" SamplesPerPixel="1"/>
<TiffData IFD="0" PlaneCount="6"/></Pixels></Image></OME>"""


def ome_file(path):
    data = counts(3, 2, 30, 40)  # the order of planes in the XML: Z, then C
    tifffile.imwrite(path, data, description=OME.encode(), metadata=None, photometric="minisblack")
    return data.swapaxes(0, 1)


def test_ome_xml_survives_with_its_instrument(tmp_path):
    data = ome_file(tmp_path / "in.ome.tif")
    image, again = through(tmp_path / "in.ome.tif", tmp_path / "out.ome.tif")
    assert (image.axes, image.channels, image.white) == ("CZYX", ("DAPI", "GFP"), 4095)
    np.testing.assert_array_equal(image.data, data)
    assert image.pixel_size == {"X": 65, "Y": 65, "Z": 0.2}
    assert image.units == {"X": "nm", "Y": "nm", "Z": "µm"}
    for attribute in ("axes", "channels", "white", "pixel_size", "units"):
        assert getattr(again, attribute) == getattr(image, attribute)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tif:
        np.testing.assert_array_equal(tif.asarray(), data)
        xml = tif.ome_metadata
    assert 'LensNA="1.45"' in xml
    assert "Plan &#181;" in xml
    assert 'EmissionWavelength="510"' in xml
    assert "UUID" not in xml


def test_a_negative_size_is_a_direction_and_0_is_unknown(tmp_path):
    stated = OME.replace('PhysicalSizeZ="0.2"', 'PhysicalSizeZ="-0.2"')
    stated = stated.replace('PhysicalSizeX="65"', 'PhysicalSizeX="0"')
    stated = stated.replace('PhysicalSizeY="65"', 'PhysicalSizeY="NaN"')
    tifffile.imwrite(tmp_path / "a.ome.tif", counts(3, 2, 30, 40), description=stated.encode(),
                     metadata=None, photometric="minisblack")  # fmt: skip
    assert read_image(tmp_path / "a.ome.tif").pixel_size == {"Z": 0.2}


def test_a_result_of_another_type_says_so_in_its_xml(tmp_path):
    ome_file(tmp_path / "in.ome.tif")
    image = read_image(tmp_path / "in.ome.tif")
    result = image.with_data(image.data.astype(np.float32) + 0.5)
    again = read_image(write_image(result, tmp_path / "out.ome.tif"))
    np.testing.assert_array_equal(again.data, result.data)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tif:
        assert 'Type="float"' in tif.ome_metadata
        assert "SignificantBits" not in tif.ome_metadata


def test_ome_refuses_what_its_schema_lacks(tmp_path):
    with pytest.raises(OutputError, match="OME-TIFF holds .* but the image has int64"):
        write_image(Image(np.zeros((4, 4), np.int64), "YX"), tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []
