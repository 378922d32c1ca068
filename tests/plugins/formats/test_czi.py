"""CZI files that Zeiss's own library wrote, from numbers that these tests compute."""

import sys
from pathlib import Path

import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image
from unblur_formats.microscopes import zeiss

SAMPLES = Path(__file__).with_name("samples")


def values(*shape):
    return (np.arange(np.prod(shape)).reshape(shape) * 37 % 4001).astype(np.uint16)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_scene_is_put_together_from_its_tiles(check_outputs, lazy):
    image = read_image(SAMPLES / "scenes.czi", lazy=lazy)
    assert (image.axes, image.shape, image.is_lazy) == ("CZYX", (2, 3, 20, 24), lazy)
    np.testing.assert_array_equal(np.asarray(image.data), values(2, 2, 3, 20, 24)[0])
    assert image.pixel_size == pytest.approx({"Z": 0.3, "Y": 0.1, "X": 0.1})
    assert image.units == {"Z": "µm", "Y": "µm", "X": "µm"}
    assert image.channels == ("DAPI", "GFP")
    assert "holds 2 images" in image.metadata["notes"][0]
    check_outputs(image)


def test_each_scene_can_be_asked_for():
    image = read_image(f"{SAMPLES / 'scenes.czi'}[1]", lazy=True)
    np.testing.assert_array_equal(np.asarray(image.data), values(2, 2, 3, 20, 24)[1])
    np.testing.assert_array_equal(
        np.asarray(image.data[1, 2, 3:9, 5]), values(2, 2, 3, 20, 24)[1, 1, 2, 3:9, 5]
    )
    with pytest.raises(ImageError, match=r"no image \[2\]; there are 2"):
        read_image(f"{SAMPLES / 'scenes.czi'}[2]")


def test_zstandard_with_bytes_apart_and_colours():
    image = read_image(SAMPLES / "times-zstd.czi")
    assert image.axes == "TCYX"
    np.testing.assert_array_equal(image.data, values(1, 2, 2, 1, 20, 24)[0, :, :, 0])
    image = read_image(SAMPLES / "colours.czi", lazy=True)
    assert (image.axes, image.channels) == ("CYX", ("red", "green", "blue"))
    expected = (values(20, 24, 3) % 256).astype(np.uint8)[..., ::-1]  # libCZI takes B, G, R
    np.testing.assert_array_equal(np.asarray(image.data), expected.transpose(2, 0, 1))


METADATA = """<ImageDocument><Metadata><Information>
<Instrument><Objectives><Objective Id="Objective:1" Name="Plan-Apochromat 63x/1.4 Oil">
<LensNA>1.4</LensNA><NominalMagnification>63</NominalMagnification><Immersion>Oil</Immersion>
</Objective><Objective Id="Objective:2"><LensNA>0.8</LensNA></Objective></Objectives></Instrument>
<Image><ComponentBitCount>12</ComponentBitCount>
<ObjectiveSettings><RefractiveIndex>1.518</RefractiveIndex><ObjectiveRef Id="Objective:1"/>
</ObjectiveSettings><Dimensions><Channels>
<Channel Id="Channel:0" Name="DAPI"><ExcitationWavelength>405</ExcitationWavelength>
<EmissionWavelength>450.5</EmissionWavelength></Channel>
<Channel Id="Channel:1" Name="GFP"><EmissionWavelength>520</EmissionWavelength>
<PinholeSize>52.1</PinholeSize></Channel></Channels>
<T><Positions><Interval><Increment>1.5</Increment></Interval></Positions></T>
<S><Scenes><Scene Index="0" Name="left"/><Scene Index="1" Name="right"/></Scenes></S>
</Dimensions></Image></Information><Scaling><Items>
<Distance Id="X"><Value>6.5e-08</Value></Distance><Distance Id="Y"><Value>6.5e-08</Value></Distance>
</Items></Scaling></Metadata></ImageDocument>"""
"""Metadata as ZEN writes them, which the library of the samples cannot."""


def test_the_metadata_of_zen_stubbed_into_a_sample(monkeypatch, check_outputs):
    import czifile

    monkeypatch.setattr(czifile.CziFile, "metadata", lambda self: METADATA)
    image = read_image(f"{SAMPLES / 'scenes.czi'}[right]")
    np.testing.assert_array_equal(image.data, values(2, 2, 3, 20, 24)[1])
    assert image.white == 4095
    assert image.pixel_size == pytest.approx({"Y": 0.065, "X": 0.065})
    optics = dict(image.metadata["optics"])
    assert list(optics.pop("channels")) == [
        {"excitation_nm": 405.0, "emission_nm": 450.5},
        {"emission_nm": 520.0, "pinhole_um": 52.1},
    ]
    assert optics == {"na": 1.4, "magnification": 63.0, "immersion": "oil",
                      "refractive_index": 1.518,
                      "objective": "Plan-Apochromat 63x/1.4 Oil"}  # fmt: skip
    check_outputs(image)
    assert read_image(SAMPLES / "times-zstd.czi").pixel_size["T"] == 1.5


def test_what_is_wrong_with_a_czi_file_is_said(tmp_path, monkeypatch):
    whole = (SAMPLES / "scenes.czi").read_bytes()
    (tmp_path / "short.czi").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "other.czi").write_bytes(b"no image" * 40)
    for name in ("short", "other"):
        with pytest.raises(ImageError, match=r"(short|other)\.czi"):
            read_image(tmp_path / f"{name}.czi")
    import czifile

    entities = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    with monkeypatch.context() as patch:
        patch.setattr(czifile.CziFile, "metadata", lambda self: entities)
        with pytest.raises(ImageError, match="document type"):
            read_image(SAMPLES / "scenes.czi")
    tile = zeiss.CziTile
    original = tile.of

    def with_phases(entry):
        found = original(entry)
        return tile(**{**found.__dict__, "start": {**found.start, "H": found.start["Z"]}})

    with monkeypatch.context() as patch:
        patch.setattr(tile, "of", with_phases)
        with pytest.raises(ImageError, match="along the axis 'H'"):
            read_image(SAMPLES / "scenes.czi")
    monkeypatch.setitem(sys.modules, "czifile", None)
    with pytest.raises(ImageError, match=r'pip install "unblur\[bio\]"'):
        read_image(SAMPLES / "scenes.czi")
