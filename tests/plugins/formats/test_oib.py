"""OIF and OIB files, written here with the parts that the package oiffile reads."""

import io
import struct
import sys
import time

import numpy as np
import pytest
import tifffile

from unblur.errors import ImageError
from unblur.io import read_image
from unblur_formats.microscopes.compound_file import (
    CIRCLE,
    ENDED,
    OUTSIDE,
    check_compound_file,
    follow_chains,
)

RNG = np.random.default_rng(10)
MAIN = """[ProfileSaveInfo]\r
Name="FluoView File Information"\r
Version="1.2.6.0"\r
DataName="dose=5.oif"\r
[Axis Parameter Common]\r
AxisOrder="XYCZT"\r
[Axis 2 Parameters Common]\r
AxisCode="C"\r
MaxSize=2\r
[Axis 3 Parameters Common]\r
AxisCode="Z"\r
MaxSize=3\r
StartPosition=0.0\r
EndPosition=600.0\r
Interval=300.0\r
PixUnit="nm"\r
[Axis 4 Parameters Common]\r
AxisCode="T"\r
MaxSize=2\r
[Channel 1 Parameters]\r
CH Name="CH1"\r
DyeName="DAPI"\r
EmissionWavelength=461\r
ExcitationWavelength=405\r
[Channel 2 Parameters]\r
CH Name="CH2"\r
DyeName="Alexa Fluor 488"\r
EmissionWavelength=520\r
ExcitationWavelength=488\r
[Reference Image Parameter]\r
WidthConvertValue=0,207.0\r
WidthUnit="um"\r
HeightConvertValue=0.207\r
HeightUnit="um"\r
ValidBitCounts=12\r
"""


def properties(milliseconds):
    return f"""[Acquisition Parameters Common]\r
Magnification=60.0\r
ObjectiveLens NAValue=1.35\r
ObjectiveLens Name="UPLSAPO   60X O  NA:1.35"\r
PinholeDiameter=115000\r
[Axis 4 Parameters]\r
AbsPositionValue={milliseconds}\r
"""


def encode(text):
    return b"\xff\xfe" + text.encode("utf-16-le")


def members(values, lost=()):
    """Return the files beside the main one by name, of values (T, C, Z, Y, X)."""
    files = {}
    for t, c, z in np.ndindex(values.shape[:3]):
        name = f"s_C{c + 1:03}Z{z + 1:03}T{t + 1:03}"
        if name not in lost:
            buffer = io.BytesIO()
            tifffile.imwrite(buffer, values[t, c, z])
            files[f"{name}.tif"] = buffer.getvalue()
            files[f"{name}.pty"] = encode(properties(1500.0 * t))
    files["s_C001-R001.tif"] = files["s_C001Z001T001.tif"]
    return files


def write_oif(path, values, **options):
    path.write_bytes(encode(MAIN))
    folder = path.with_name(f"{path.name}.files")
    folder.mkdir()
    for name, data in members(values, **options).items():
        (folder / name).write_bytes(data)


def write_oib(path, values):
    """Write a compound file of version 3 whose streams lie in sectors of 512 bytes."""
    files = members(values)
    info = '[OibSaveInfo]\r\nName="a"\r\nVersion="2.0.0.0"\r\nMainFileName=Stream00000\r\n'
    info += "Stream00000=a.oif\r\nStorage00001=a.oif.files\r\n"
    streams = {"Stream00000": encode(MAIN)}
    for number, (name, data) in enumerate(files.items(), start=1):
        info += f"Stream{number:05}=Storage00001/{name}\r\n"
        streams[f"Stream{number:05}"] = data
    # Streams shorter than 4096 bytes would lie in the mini stream; blank lines lengthen these.
    blank = " \r\n".encode("utf-16-le")
    streams = {"OibInfo.txt": encode(info), **streams}
    for name, data in streams.items():
        if data.startswith(b"\xff\xfe"):
            streams[name] = data + blank * max(0, -(-(4096 - len(data)) // len(blank)))
    names = [*list(streams)[:2], "Storage00001", *list(streams)[2:]]
    fat, blocks, entries = [], [], []
    for name in names:
        data = streams.get(name)
        start = len(fat)
        if data is not None:
            count = -(-len(data) // 512)
            blocks.append(data.ljust(512 * count, b"\0"))
            fat += [*range(start + 1, start + count), 0xFFFFFFFE]
        last = name == "Storage00001" or name == names[-1]
        entries.append((name, data, start, 0xFFFFFFFF if last else len(entries) + 2))
    directory = entry("Root Entry", 5, child=1)
    for name, data, start, sibling in entries:
        if data is None:
            directory += entry(name, 1, sibling=sibling, start=0, child=4)
        else:
            directory += entry(name, 2, sibling=sibling, start=start, size=len(data))
    directory_start, count = len(fat), -(-len(directory) // 512)
    blocks.append(directory.ljust(512 * count, b"\0"))
    fat += [*range(directory_start + 1, directory_start + count), 0xFFFFFFFE]
    fat_start, sectors = len(fat), 1
    while len(fat) + sectors > 128 * sectors:
        sectors += 1
    fat += [0xFFFFFFFD] * sectors
    fat += [0xFFFFFFFF] * (128 * sectors - len(fat))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHHHIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 0, 0, sectors,
                        directory_start, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)  # fmt: skip
    numbers = [*range(fat_start, fat_start + sectors)]
    head += struct.pack("<109I", *numbers, *[0xFFFFFFFF] * (109 - sectors))
    path.write_bytes(head + b"".join(blocks) + struct.pack(f"<{len(fat)}I", *fat))


def entry(name, kind, *, sibling=0xFFFFFFFF, child=0xFFFFFFFF, start=0xFFFFFFFE, size=0):
    text = (name + "\0").encode("utf-16-le")
    head = struct.pack("<64sHBBIII", text, len(text), kind, 1, 0xFFFFFFFF, sibling, child)
    return head + bytes(36) + struct.pack("<IQ", start, size)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", ["oif", "oib"])
def test_planes_with_all_that_is_stated(tmp_path, check_outputs, kind, lazy):
    values = RNG.integers(0, 4096, (2, 2, 3, 48, 50), dtype=np.uint16)
    (write_oif if kind == "oif" else write_oib)(tmp_path / f"a.{kind}", values)
    image = read_image(tmp_path / f"a.{kind}", lazy=lazy)
    assert (image.axes, image.white, image.is_lazy) == ("TCZYX", 4095, lazy)
    np.testing.assert_array_equal(np.asarray(image.data), values)
    assert image.pixel_size == pytest.approx({"T": 1.5, "Z": 0.3, "Y": 0.207, "X": 0.207})
    assert image.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    assert image.channels == ("DAPI", "Alexa Fluor 488")
    optics = dict(image.metadata["optics"])
    assert list(optics.pop("channels")) == [
        {"excitation_nm": 405.0, "emission_nm": 461.0, "pinhole_um": 115.0},
        {"excitation_nm": 488.0, "emission_nm": 520.0, "pinhole_um": 115.0},
    ]
    assert optics == {"na": 1.35, "magnification": 60.0, "objective": "UPLSAPO 60X O NA:1.35"}
    check_outputs(image)


def test_planes_that_are_lost_are_counted(tmp_path):
    values = RNG.integers(1, 4096, (1, 2, 3, 16, 18), dtype=np.uint16)
    folder = tmp_path / "run [1]"  # where oiffile finds no file
    folder.mkdir()
    write_oif(folder / "a.oif", values, lost=("s_C002Z002T001",))
    image = read_image(folder / "a.oif")
    assert image.metadata["optics"]["na"] == 1.35
    assert image.axes == "CZYX"
    assert "lacks 1 of its planes" in image.metadata["notes"][0]
    assert (image.data[1, 1] == 0).all()


def test_what_is_wrong_with_an_oib_file_is_said(tmp_path, monkeypatch):
    write_oif(tmp_path / "a.oif", np.ones((1, 1, 1, 16, 18), np.uint16))
    (tmp_path / "alone.oif").write_bytes(encode(MAIN))
    (tmp_path / "other.oib").write_bytes(b"no image" * 100)
    for name, words in {"alone.oif": "storage path not found", "other.oib": "read as OIB"}.items():
        with pytest.raises(ImageError, match=words):
            read_image(tmp_path / name)
    folder = tmp_path / "a.oif.files"
    (folder / "s_C001A002.tif").write_bytes((folder / "s_C001Z001T001.tif").read_bytes())
    with pytest.raises(ImageError, match="along an axis 'A'"):
        read_image(tmp_path / "a.oif")
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(ImageError, match="holds no plane"):
        read_image(tmp_path / "a.oif")
    monkeypatch.setitem(sys.modules, "oiffile", None)
    with pytest.raises(ImageError, match=r'pip install "unblur\[bio\]"'):
        read_image(tmp_path / "a.oif")


def changed(path, place, *numbers):
    """Return the path of a compound file with other 32-bit numbers from a place on."""
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{len(numbers)}I", data, place, *numbers)
    path = path.with_name("changed.oib")
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def compound(tmp_path_factory):
    """Return a valid OIB file, and the places in it of its table, its directory and each chain."""
    path = tmp_path_factory.mktemp("oib") / "a.oib"
    write_oib(path, np.ones((1, 1, 1, 48, 50), np.uint16))
    table, directory = (struct.unpack_from("<I", path.read_bytes(), n)[0] for n in (76, 48))
    return path, 512 * (table + 1), 512 * (directory + 1)


def test_a_whole_compound_file_is_not_refused(compound):
    check_compound_file(compound[0])


# The guard alone is called here, since oiffile does not end with files of circles.
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("directory", "'directory' should end within the file, but go round in a circle"),
        ("stream", "'Stream00000' should end .* but go round in a circle"),
        ("empty stream", "'Stream00000' should end .* but go round in a circle"),
        ("outside", "'OibInfo.txt' should end .* but leave the file"),
        ("table of short streams", "'table of short streams' should end .* go round in a circle"),
        ("short streams", "'short streams' should end .* but go round in a circle"),
        ("short stream", "'Stream00000' should end .* but go round in a circle"),
        ("list of the table", "should fit into the 48 sectors of the file, but is stated to"),
        ("table listed twice", "listed once, but one is listed twice"),
        ("table outside", "names sector 5000"),
    ],
)
def test_chains_of_sectors_that_do_not_end_are_refused(compound, what, words):
    path, table, directory = compound
    data = path.read_bytes()
    first = struct.unpack_from("<I", data, 48)[0]
    info, stream = (directory + 128 * n + 116 for n in (1, 2))  # places of their first sectors
    begin = struct.unpack_from("<I", data, stream)[0]
    if what == "directory":
        path = changed(path, table + 4 * first, first)
    elif what == "stream":
        path = changed(path, table + 4 * (begin + 3), begin + 1)
    elif what == "empty stream":
        path = changed(changed(path, table + 4 * begin, begin), stream + 4, 0, 0)
        path = changed(path, 56, 0)
    elif what == "outside":
        path = changed(path, info, 5000)
    elif what == "table of short streams":  # as in case 4380 of the altered files
        path = changed(changed(path, table, 0), 60, 0, 117440512)
    elif what == "short streams":
        path = changed(changed(path, table, 0), directory + 116, 0)
    elif what == "short stream":  # the first sector of the first stream serves as its table
        path = changed(changed(path, 60, 0, 1), directory + 120, 6400)
        path = changed(changed(path, 512, 1, 0), stream, 0, 100)
    elif what == "list of the table":
        path = changed(path, 72, 10**9)
    elif what == "table listed twice":
        first = struct.unpack_from("<I", data, 76)[0]
        path = changed(changed(path, 44, 2), 76, first, first)
    else:
        path = changed(path, 76, 5000)
    with pytest.raises(ImageError, match=words):
        check_compound_file(path)


@pytest.mark.parametrize("lazy", [False, True])
def test_an_oib_file_is_checked_before_it_is_read(compound, lazy):
    """The change is one that oiffile refuses too, in other words."""
    path = changed(compound[0], compound[2] + 128 + 116, 5000)
    with pytest.raises(ImageError, match="'OibInfo.txt' should end within the file"):
        read_image(path, lazy=lazy)


def test_chains_end_as_when_each_is_followed_by_itself():
    end = 0xFFFFFFFE
    for _ in range(300):
        table = RNG.integers(0, 14, RNG.integers(0, 12)).astype(np.uint32)
        runs = RNG.random(len(table)) < 0.5
        table[runs] = np.arange(1, len(table) + 1)[runs]
        table[RNG.random(len(table)) < 0.25] = end
        starts, count = [*RNG.integers(0, 15, 4).tolist(), end], int(RNG.integers(0, 14))
        for sector, found in zip(starts, follow_chains(table, starts, count), strict=True):
            steps = 0
            while sector < min(len(table), count) and steps <= len(table):
                sector, steps = int(table[sector]), steps + 1
            expected = ENDED if sector == end else CIRCLE if steps > len(table) else OUTSIDE
            assert found == expected


def test_a_long_table_is_followed_in_little_time():
    """Of two million sectors, 1 GB of a file; python would visit each of them in a second."""
    table = np.arange(1, 2_000_001, dtype=np.uint32)
    table[-1] = 0
    began = time.process_time()
    assert follow_chains(table, [0, 1999999], len(table)).tolist() == [CIRCLE, CIRCLE]
    assert time.process_time() - began < 0.5
