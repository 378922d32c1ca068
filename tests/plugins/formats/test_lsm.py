"""LSM files, written here by tifffile with the tag and the records that it reads."""

import struct

import numpy as np
import pytest
import tifffile

from unblur.errors import ImageError
from unblur.io import read_image

RNG = np.random.default_rng(11)
FIELDS = tifffile.TIFF.CZ_LSMINFO
LAST = [name for name, _ in FIELDS].index("OffsetNextRecording")
NAMES = (b"Ch1-T1", b"Ch2-T2", b"T-PMT")  # tifffile expects two channels in a layout of old writers
INFO = np.dtype(FIELDS[: LAST + 1])


def records(offset):
    """Return the names of the channels and the objective as records at a place in the file."""
    names = b"".join(struct.pack("<I", len(n) + 1) + n + b"\0" for n in NAMES)
    head = 24 + 4 * len(NAMES)
    colours = struct.pack("<6I", head + len(names), len(NAMES), len(NAMES), 24, head, 0)
    colours += bytes(4 * len(NAMES)) + names
    objective = b"Plan-Apochromat 63x/1.40 Oil DIC\0"
    scan = struct.pack("<3I", 0x10000000, 0, 0)
    scan += struct.pack("<3I", 0x10000004, 2, len(objective)) + objective
    scan += struct.pack("<3I", 0xFFFFFFFF, 0, 0)
    return {"OffsetChannelColors": offset, "OffsetScanInformation": offset + len(colours)}, (
        colours + scan
    )


def write_lsm(path, values):
    """Write values (T, Z, C, Y, X) of 12 bits, each page followed by its thumbnail."""
    times, depth, channels, rows, columns = values.shape
    info = np.zeros((), INFO)
    stated = {"MagicNumber": 67127628, "StructureSize": INFO.itemsize, "DimensionX": columns,
              "DimensionY": rows, "DimensionZ": depth, "DimensionChannels": channels,
              "DimensionTime": times, "DataType": 2, "VoxelSizeX": 1e-7, "VoxelSizeY": 1e-7,
              "VoxelSizeZ": 3e-7, "ScanType": 6, "TimeIntervall": 1.5}  # fmt: skip
    for name, value in stated.items():
        info[name] = value
    thumbnail = np.zeros((8, 8, 3), np.uint8)
    with tifffile.TiffWriter(path, byteorder="<") as tif:
        for number, page in enumerate(values.reshape(-1, channels, rows, columns)):
            tag = [(34412, "B", INFO.itemsize, info.tobytes(), True)] if number == 0 else []
            tif.write(page, photometric="minisblack", planarconfig="separate", metadata=None,
                      extratags=tag)  # fmt: skip
            tif.write(thumbnail, photometric="rgb", subfiletype=1, metadata=None)
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags[34412].valueoffset
    offsets, data = records(path.stat().st_size)
    for name, value in offsets.items():
        info[name] = value
    with path.open("r+b") as file:
        file.seek(place)
        file.write(info.tobytes())
        file.seek(0, 2)
        file.write(data)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_stack_with_all_that_is_stated(tmp_path, check_outputs, lazy):
    values = RNG.integers(0, 4096, (2, 4, 3, 16, 18), dtype=np.uint16)
    write_lsm(tmp_path / "a.lsm", values)
    image = read_image(tmp_path / "a.lsm", lazy=lazy)
    assert (image.axes, image.white, image.is_lazy) == ("TCZYX", 4095, lazy)
    np.testing.assert_array_equal(np.asarray(image.data), values.transpose(0, 2, 1, 3, 4))
    assert image.pixel_size == pytest.approx({"T": 1.5, "Z": 0.3, "Y": 0.1, "X": 0.1})
    assert image.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    assert image.channels == ("Ch1-T1", "Ch2-T2", "T-PMT")
    assert image.metadata["optics"] == {
        "objective": "Plan-Apochromat 63x/1.40 Oil DIC", "magnification": 63.0, "na": 1.4,
        "immersion": "oil",
    }  # fmt: skip
    check_outputs(image)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_negative_extent_is_refused(tmp_path, lazy):
    """Read lazily such a file was an image, whose regions raised an error of dask."""
    path = tmp_path / "a.lsm"
    write_lsm(path, RNG.integers(0, 4096, (1, 1, 3, 20, 24), dtype=np.uint16))
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags[34412].valueoffset
    with path.open("r+b") as file:
        file.seek(place + INFO.fields["DimensionY"][1])
        file.write(struct.pack("<i", -20))
    with pytest.raises(ImageError, match="negative extent" if lazy else "a.lsm"):
        read_image(path, lazy=lazy)
