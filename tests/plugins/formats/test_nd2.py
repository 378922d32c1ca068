"""ND2 files of version 2, written here with the chunks and the XML that the package nd2 reads."""

import struct
import sys

import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image

RNG = np.random.default_rng(8)
MAP_NAME, MAP_END = b"ND2 FILEMAP SIGNATURE NAME 0001!", b"ND2 CHUNK MAP SIGNATURE 0000001!"
KINDS = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}


def variant(name, value):
    """Return a value in Nikon's XML."""
    if isinstance(value, dict):
        inside = "".join(variant(n, v) for n, v in value.items())
        return f'<{name} runtype="CLxListVariant">{inside}</{name}>'
    if isinstance(value, list):
        inside = "".join(variant("no_name", v) for v in value)
        return f'<{name} runtype="CLxListVariant">{inside}</{name}>'
    text = str(value).lower() if isinstance(value, bool) else value
    return f'<{name} runtype="{KINDS[type(value)]}" value="{text}"/>'


def document(value):
    return f'<?xml version="1.0"?><variant>{variant("no_name", value)}</variant>'.encode()


def chunk(name, data, name_length=0):
    length = name_length or len(name)
    return struct.pack("<IIQ", 0x0ABECEDA, length, len(data)) + name.ljust(length, b"\0") + data


def spectrum(nanometres):
    return {"pPoint": [{"eType": 1, "dTValue": 1.0, "dWavelength": float(nanometres)}]}


def write_nd2(path, values, *, bits=12, lost=(), names=("A1", "A2"), colours=False):
    """Write values (T, P, Z, C, Y, X), or (T, P, Z, 1, Y, X, 3): 0.1 µm, planes of 0.3 µm, 2 s."""
    times, positions, depth, channels, rows, columns = values.shape[:6]
    samples = 3 if colours else channels
    channel = (("DAPI", 405, 461), ("GFP", 488, 507))
    planes = [{"sDescription": n, "uiCompCount": 3 if colours else 1, "uiColor": 255,
               "pFluorescentProbe": {"m_ExcitationSpectrum": spectrum(a),
                                     "m_EmissionSpectrum": spectrum(b)}}
              for n, a, b in channel[:channels]]  # fmt: skip
    points = [{"dPosX": 1.0, "dPosY": 2.0, "dPosZ": 0.0, "dPosName": n} for n in names[:positions]]
    stack = {
        "eType": 4,
        "uLoopPars": {"uiCount": depth, "dZStep": 0.3, "dZLow": 0.0, "dZHigh": 0.9},
    }
    stage = {"eType": 2, "uLoopPars": {"Points": points}, "ppNextLevelEx": [stack]}
    period = {"uiCount": times, "dStart": 0.0, "dPeriod": 2000.0, "dDuration": 4000.0}
    chunks = {
        b"ImageAttributes!": document({
            "uiWidth": columns, "uiWidthBytes": columns * samples * 2, "uiHeight": rows,
            "uiComp": samples, "uiBpcInMemory": 16, "uiBpcSignificant": bits,
            "uiSequenceCount": times * positions * depth, "eCompression": 2}),
        b"ImageMetadataSeq|0!": document({
            "bCalibrated": True, "dCalibration": 0.1, "dObjectiveNA": 1.4, "dObjectiveMag": 60.0,
            "wsObjectiveName": "Plan Apo 60x Oil", "dRefractIndex1": 1.515,
            "sPicturePlanes": {"uiCount": channels, "sPlane": planes}}),
        b"ImageMetadata!": document({"eType": 1, "uLoopPars": period, "ppNextLevelEx": [stage]}),
    }  # fmt: skip
    frames = values.reshape(-1, *values.shape[3:])
    for number, frame in enumerate(frames):
        if number not in lost:
            pixels = frame[0] if colours else np.moveaxis(frame, 0, -1)
            chunks[f"ImageDataSeq|{number}!".encode()] = bytes(8) + pixels.astype("<u2").tobytes()
    text = chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"))
    entries = b""
    for name, data in chunks.items():
        entries += name + struct.pack("<QQ", len(text), len(data))
        text += chunk(name, data, 4072 if name.startswith(b"ImageDataSeq") else 0)
    entries += MAP_END + struct.pack("<Q", len(text))
    path.write_bytes(text + chunk(MAP_NAME, entries))


@pytest.mark.parametrize("lazy", [False, True])
def test_a_position_with_all_that_is_stated(tmp_path, check_outputs, lazy):
    values = RNG.integers(0, 4096, (2, 2, 3, 2, 16, 18), dtype=np.uint16)
    write_nd2(tmp_path / "a.nd2", values)
    image = read_image(tmp_path / "a.nd2", lazy=lazy)
    assert (image.axes, image.is_lazy, image.white) == ("TCZYX", lazy, 4095)
    np.testing.assert_array_equal(np.asarray(image.data), values[:, 0].transpose(0, 2, 1, 3, 4))
    assert image.pixel_size == pytest.approx({"T": 2.0, "Z": 0.3, "Y": 0.1, "X": 0.1})
    assert image.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    assert image.channels == ("DAPI", "GFP")
    optics = dict(image.metadata["optics"])
    channels = optics.pop("channels")
    assert optics == {"na": 1.4, "refractive_index": 1.515, "magnification": 60.0,
                      "objective": "Plan Apo 60x Oil"}  # fmt: skip
    assert list(channels) == [{"excitation_nm": 405.0, "emission_nm": 461.0},
                              {"excitation_nm": 488.0, "emission_nm": 507.0}]  # fmt: skip
    assert "holds 2 images" in image.metadata["notes"][0]
    check_outputs(image)


@pytest.mark.parametrize("part", ["1", "A2"])
def test_each_position_can_be_asked_for(tmp_path, part):
    values = RNG.integers(0, 4096, (1, 2, 1, 2, 16, 18), dtype=np.uint16)
    write_nd2(tmp_path / "a.nd2", values, bits=16)
    image = read_image(tmp_path / f"a.nd2[{part}]", lazy=True)
    assert (image.axes, image.white) == ("CYX", 65535)
    np.testing.assert_array_equal(np.asarray(image.data), values[0, 1, 0])
    np.testing.assert_array_equal(np.asarray(image.data[1, 3:5, 2]), values[0, 1, 0, 1, 3:5, 2])
    with pytest.raises(ImageError, match=r"no image \[B7\]"):
        read_image(tmp_path / "a.nd2[B7]")


def test_colours(tmp_path):
    values = RNG.integers(0, 4096, (1, 1, 3, 1, 16, 18, 3), dtype=np.uint16)
    write_nd2(tmp_path / "a.nd2", values, colours=True)
    image = read_image(tmp_path / "a.nd2")
    assert (image.axes, image.channels) == ("CZYX", ("red", "green", "blue"))
    np.testing.assert_array_equal(image.data, values[0, 0, :, 0].transpose(3, 0, 1, 2))


def test_planes_that_are_lost_are_counted(tmp_path):
    values = RNG.integers(1, 4096, (1, 1, 3, 2, 16, 18), dtype=np.uint16)
    write_nd2(tmp_path / "a.nd2", values, lost=(1,))
    image = read_image(tmp_path / "a.nd2")
    assert image.metadata["notes"] == (
        f"{tmp_path / 'a.nd2'} lacks 1 of its 3 planes, which are read as 0.",
    )
    assert (image.data[:, 1] == 0).all()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("rows", ["00", "-2"])
def test_an_extent_below_one_is_refused(tmp_path, rows, lazy):
    write_nd2(tmp_path / "a.nd2", RNG.integers(0, 4096, (1, 1, 1, 1, 20, 24), dtype=np.uint16))
    content = (tmp_path / "a.nd2").read_bytes()
    stated = variant("uiHeight", 20).encode()
    assert content.count(stated) == 1
    wrong = stated.replace(b"20", rows.encode())
    (tmp_path / "a.nd2").write_bytes(content.replace(stated, wrong))
    with pytest.raises(ImageError, match="a.nd2"):
        read_image(tmp_path / "a.nd2", lazy=lazy)


def test_what_is_wrong_with_an_nd2_file_is_said(tmp_path, monkeypatch):
    write_nd2(tmp_path / "a.nd2", np.zeros((1, 1, 1, 1, 16, 18), np.uint16))
    whole = (tmp_path / "a.nd2").read_bytes()
    (tmp_path / "short.nd2").write_bytes(whole[:-50])
    (tmp_path / "other.nd2").write_bytes(b"no image" * 40)
    for name in ("short", "other"):
        with pytest.raises(ImageError, match=r"cannot be read as ND2"):
            read_image(tmp_path / f"{name}.nd2")
    monkeypatch.setitem(sys.modules, "nd2", None)
    with pytest.raises(ImageError, match=r'pip install "unblur\[bio\]"'):
        read_image(tmp_path / "a.nd2")
