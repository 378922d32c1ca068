"""LIF files of version 2, written here with the blocks and the XML that liffile reads."""

import struct
import sys

import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image

RNG = np.random.default_rng(9)
NUMBERS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "λ": 5, "M": 10, "A": 6}
LENGTHS = {"X": 1e-7, "Y": 1e-7, "Z": -3e-7, "T": 2.0, "λ": 1e-8, "M": 0.0, "A": 1.0}
SETTING = """<Attachment Name="HardwareSetting"><ATLCameraSettingDefinition
NumericalAperture="1.4" Immersion="OIL" ObjectiveName="HC PL APO 63x/1.40 OIL" Magnification="63"
RefractionIndex="1.518" Pinhole="5e-05"><WideFieldChannelConfigurator>
<WideFieldChannelInfo EmissionWavelength="461"/><WideFieldChannelInfo EmissionWavelength="525"/>
</WideFieldChannelConfigurator></ATLCameraSettingDefinition></Attachment>"""


def image_element(name, values, axes, *, tags=None, bits=12, dyes=("DAPI", "GFP", "Cy5")):
    """Return XML and bytes of an image; `axes` is the order in the file, the last fastest."""
    strides = dict(zip(axes, values.strides, strict=True))
    dimensions = "".join(
        f'<DimensionDescription DimID="{NUMBERS[a]}" NumberOfElements="{n}" Origin="0" '
        f'Length="{LENGTHS[a] * (n - 1)}" Unit="{"s" if a == "T" else "m"}" BitInc="0" '
        f'BytesInc="{strides[a]}"/>'
        for a, n in zip(axes, values.shape, strict=True)
        if a != "C"
    )
    count = values.shape[axes.index("C")] if "C" in axes else 1
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="{tags[n] if tags else 0}" '
        f'Resolution="{bits}" NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="Gray" '
        f'IsLUTInverted="0" BytesInc="{n * strides.get("C", 0)}" BitInc="0"><ChannelProperty>'
        f"<Key>DyeName</Key><Value>{dyes[n]}</Value></ChannelProperty></ChannelDescription>"
        for n in range(count)
    )
    xml = (f'<Element Name="{name}" UniqueID="{name}"><Data><Image><ImageDescription>'
           f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions>"
           f'</ImageDescription>{SETTING}</Image></Data><Memory Size="{values.nbytes}" '
           f'MemoryBlockID="Block_{name}"/></Element>')  # fmt: skip
    return xml, f"Block_{name}", values.tobytes()


def write_lif(path, *images, prolog=""):
    elements = "".join(xml for xml, _, _ in images)
    text = (f'{prolog}<LMSDataContainerHeader Version="2"><Element Name="project"><Children>'
            f"{elements}</Children></Element></LMSDataContainerHeader>")  # fmt: skip
    data = struct.pack("<IIBI", 0x70, 2 * len(text) + 5, 0x2A, len(text)) + text.encode("utf-16-le")
    for _, block, pixels in images:
        name = block.encode("utf-16-le")
        head = struct.pack("<IIBQBI", 0x70, 0, 0x2A, len(pixels), 0x2A, len(block))
        data += head + name + pixels
    path.write_bytes(data)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("order", ["TCZYX", "TZCYX", "CZTYX"])
def test_a_stack_in_any_order_with_all_that_is_stated(tmp_path, check_outputs, order, lazy):
    values = RNG.integers(0, 4096, (2, 2, 3, 16, 18), dtype=np.uint16)
    stored = values.transpose(["TCZYX".index(a) for a in order]).copy()
    write_lif(tmp_path / "a.lif", image_element("Series1", stored, order))
    image = read_image(tmp_path / "a.lif", lazy=lazy)
    assert (image.axes, image.white, image.is_lazy) == ("TCZYX", 4095, lazy)
    np.testing.assert_array_equal(np.asarray(image.data), values)
    assert image.pixel_size == pytest.approx({"T": 2.0, "Z": 0.3, "Y": 0.1, "X": 0.1})
    assert image.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    assert image.channels == ("DAPI", "GFP")
    optics = dict(image.metadata["optics"])
    channels = optics.pop("channels")
    assert optics == {"na": 1.4, "immersion": "oil", "refractive_index": 1.518,
                      "magnification": 63.0, "objective": "HC PL APO 63x/1.40 OIL"}  # fmt: skip
    assert [c["emission_nm"] for c in channels] == [461.0, 525.0]
    assert channels[0]["pinhole_um"] == pytest.approx(50)
    if order == "TCZYX":
        check_outputs(image)


def test_each_image_and_tile_can_be_asked_for(tmp_path):
    one = RNG.integers(0, 4096, (16, 18), dtype=np.uint16)
    tiles = RNG.integers(0, 4096, (2, 3, 16, 18), dtype=np.uint16)
    write_lif(tmp_path / "a.lif", image_element("one", one, "YX"),
              image_element("tiles", tiles, "MCYX"))  # fmt: skip
    first = read_image(tmp_path / "a.lif")
    np.testing.assert_array_equal(first.data, one)
    assert "holds 3 images" in first.metadata["notes"][0]
    np.testing.assert_array_equal(read_image(tmp_path / "a.lif[one]").data, one)
    for tile in range(2):
        image = read_image(tmp_path / f"a.lif[{tile + 1}]", lazy=True)
        np.testing.assert_array_equal(np.asarray(image.data), tiles[tile])


@pytest.mark.parametrize("tags", [(1, 2, 3), (3, 2, 1)])
def test_colours_in_either_order(tmp_path, tags):
    values = RNG.integers(0, 256, (16, 18, 3), dtype=np.uint8)
    write_lif(tmp_path / "a.lif", image_element("one", values, "YXC", tags=tags, bits=8))
    image = read_image(tmp_path / "a.lif")
    assert (image.axes, image.channels) == ("CYX", ("red", "green", "blue"))
    expected = values if tags[0] == 1 else values[..., ::-1]
    np.testing.assert_array_equal(image.data, expected.transpose(2, 0, 1))


def test_wavelengths_are_channels(tmp_path):
    values = RNG.integers(0, 4096, (4, 16, 18), dtype=np.uint16)
    write_lif(tmp_path / "a.lif", image_element("one", values, "λYX"))
    image = read_image(tmp_path / "a.lif")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.data, values)


def test_what_is_wrong_with_a_lif_file_is_said(tmp_path, monkeypatch):
    values = np.zeros((2, 16, 18), np.uint16)
    xml, block, data = image_element("one", values, "CYX")
    write_lif(tmp_path / "a.lif", (xml, block, data))
    whole = (tmp_path / "a.lif").read_bytes()
    (tmp_path / "short.lif").write_bytes(whole[:-1])
    (tmp_path / "head.lif").write_bytes(whole[:100])
    (tmp_path / "other.lif").write_bytes(b"no image" * 40)
    write_lif(tmp_path / "far.lif", (xml.replace('BytesInc="36"', 'BytesInc="999"'), block, data))
    write_lif(tmp_path / "turned.lif", image_element("one", values, "AYX"))
    write_lif(tmp_path / "bomb.lif", (xml, block, data), prolog='<!DOCTYPE a [<!ENTITY b "c">]>')
    words = {"short": "short.lif", "head": "header is incomplete", "other": "read as LIF",
             "far": "cut short or damaged", "turned": "is not supported",
             "bomb": "document type"}  # fmt: skip
    for name, expected in words.items():
        with pytest.raises(ImageError, match=expected):
            read_image(tmp_path / f"{name}.lif")
    monkeypatch.setitem(sys.modules, "liffile", None)
    with pytest.raises(ImageError, match=r'pip install "unblur\[bio\]"'):
        read_image(tmp_path / "a.lif")
