"""MRC files, written by mrcfile, and DeltaVision files, written here by the public header."""

import struct
import sys

import mrcfile
import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image, write_image

RNG = np.random.default_rng(5)


def write_mrc(path, values, *, voxel=(1.5, 1.5, 3.0), stack=False):
    with mrcfile.new(path) as mrc:
        mrc.set_data(values)
        if stack:
            mrc.set_image_stack()
        elif values.ndim == 3:
            mrc.set_volume()
        mrc.voxel_size = voxel
        mrc.add_label("a scan of the tests")


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32", "float16"])
def test_a_volume_with_its_voxel_size_in_angstrom(tmp_path, check_outputs, dtype, lazy):
    values = (RNG.random((4, 20, 24)) * 100).astype(dtype)
    write_mrc(tmp_path / "a.mrc", values)
    image = read_image(tmp_path / "a.mrc", lazy=lazy)
    assert (image.axes, image.dtype, image.is_lazy) == ("ZYX", values.dtype, lazy)
    assert image.pixel_size == pytest.approx({"Z": 3.0, "Y": 1.5, "X": 1.5})
    assert set(image.units.values()) == {"Å"}
    assert any("a scan of the tests" in line for line in image.metadata["history"])
    np.testing.assert_array_equal(np.asarray(image.data), values)
    if dtype != "float16":  # which the schema of OME lacks
        check_outputs(image)


def test_sections_of_a_stack_of_images_are_times(tmp_path):
    values = RNG.integers(0, 200, (3, 20, 24), dtype=np.uint16)
    write_mrc(tmp_path / "a.mrcs", values, stack=True)
    image = read_image(tmp_path / "a.mrcs")
    assert image.axes == "TYX"
    write_mrc(tmp_path / "b.mrc", values[0])
    assert read_image(tmp_path / "b.mrc").axes == "YX"
    with mrcfile.new(tmp_path / "c.mrc") as mrc:
        mrc.set_data(RNG.random((2, 4, 20, 24)).astype(np.float32))
    assert read_image(tmp_path / "c.mrc").axes == "TZYX"


def test_a_cell_without_a_number_of_intervals_is_that_of_the_pixels(tmp_path):
    # mrcz 0.6.0 writes its files so; readers that divide by the intervals find infinite voxels
    values = RNG.random((4, 20, 24)).astype(np.float32)
    for order in ((1, 2, 3), (3, 2, 1)):
        path = tmp_path / f"{order[0]}.mrc"
        write_mrc(path, values, voxel=(1.5, 2.0, 3.0))
        with path.open("r+b") as file:
            file.seek(28)
            file.write(struct.pack("<3i", 0, 0, 0))
            file.seek(64)
            file.write(struct.pack("<3i", *order))
        image = read_image(path)
        cell = {"X": 1.5 * 24, "Y": 2.0 * 20, "Z": 3.0 * 4}
        extents = dict(zip(image.axes, image.data.shape, strict=True))
        expected = {axis: cell[axis] / extents[axis] for axis in "ZYX"}
        assert image.pixel_size == pytest.approx(expected)


def test_permuted_axes_and_bytes_of_imod(tmp_path):
    values = RNG.integers(0, 255, (4, 20, 24), dtype=np.uint8)
    write_mrc(tmp_path / "a.mrc", values.view(np.int8))
    with (tmp_path / "a.mrc").open("r+b") as file:
        file.seek(64)
        file.write(struct.pack("<3i", 3, 2, 1))
        file.seek(152)
        file.write(struct.pack("<2i", 1146047817, 0))
    image = read_image(tmp_path / "a.mrc")
    assert image.shape == (24, 20, 4)
    np.testing.assert_array_equal(image.data, values.transpose(2, 1, 0))


def test_what_is_wrong_with_an_mrc_file_is_said(tmp_path, monkeypatch):
    write_mrc(tmp_path / "a.mrc", np.zeros((4, 20, 24), np.float32))
    whole = (tmp_path / "a.mrc").read_bytes()
    (tmp_path / "short.mrc").write_bytes(whole[:-1])
    (tmp_path / "head.mrc").write_bytes(whole[:900])
    (tmp_path / "huge.mrc").write_bytes(struct.pack("<3i", *(2**30,) * 3) + whole[12:])
    extended = whole[:92] + struct.pack("<i", 2**31 - 1) + whole[96:]
    (tmp_path / "extended.mrc").write_bytes(extended)
    (tmp_path / "other.mrc").write_bytes(bytes(range(256)) * 8)
    for name, words in {"short": "cut short", "head": "cut short", "huge": "cut short",
                        "extended": "2147483647 bytes of further header",
                        "other": "cannot be read as MRC"}.items():  # fmt: skip
        with pytest.raises(ImageError, match=words):
            read_image(tmp_path / f"{name}.mrc")
    monkeypatch.setitem(sys.modules, "mrcfile", None)
    with pytest.raises(ImageError, match=r'pip install "unblur\[bio\]"'):
        read_image(tmp_path / "a.mrc")


ORDERS = {0: (1, 0, 2), 1: (0, 2, 1), 2: (0, 1, 2)}
"""Orders of the axes T, C, Z in a file, by the code of the image sequence."""


def write_deltavision(path, values, *, order="<", sequence=1, sizes=(0.08, 0.08, 0.2)):
    """Write values (T, C, Z, Y, X) with the emissions 457 and 528 nm, a frame each 1.5 s."""
    times, waves, depth, rows, columns = values.shape
    sections = times * waves * depth
    extended = 1024 * -(-sections * 56 // 1024)
    head = bytearray(1024)
    struct.pack_into(f"{order}4i", head, 0, columns, rows, sections, 6)
    struct.pack_into(f"{order}3f", head, 40, *sizes)
    struct.pack_into(f"{order}ih", head, 92, extended, -16224)
    struct.pack_into(f"{order}2h", head, 128, 2, 12)
    struct.pack_into(f"{order}2h", head, 180, times, sequence)
    struct.pack_into(f"{order}6h", head, 196, waves, 457, 528, 0, 0, 0)
    table = np.zeros((times, waves, depth, 14), f"{order}f4")
    table[..., 2 + 1] = 1.5 * np.arange(times)[:, None, None]
    table[..., 2 + 10] = np.array([405, 488])[:waves, None]
    stored = values.transpose(*ORDERS[sequence], 3, 4).astype(f"{order}u2")
    extra = table.transpose(*ORDERS[sequence], 3).tobytes().ljust(extended, b"\0")
    path.write_bytes(bytes(head) + extra + stored.tobytes())


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("order", "sequence"), [("<", 0), (">", 1), ("<", 2)])
def test_deltavision_states_channels_times_and_wavelengths(
    tmp_path, check_outputs, order, sequence, lazy
):
    values = RNG.integers(0, 4000, (3, 2, 4, 20, 24), dtype=np.uint16)
    write_deltavision(tmp_path / "a.dv", values, order=order, sequence=sequence)
    image = read_image(tmp_path / "a.dv", lazy=lazy)
    assert image.axes == "TCZYX"
    np.testing.assert_array_equal(np.asarray(image.data), values)
    assert image.pixel_size == pytest.approx({"T": 1.5, "Z": 0.2, "Y": 0.08, "X": 0.08}, rel=1e-6)
    assert image.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    assert image.channels == ("457 nm", "528 nm")
    channels = [{"excitation_nm": 405.0, "emission_nm": 457.0},
                {"excitation_nm": 488.0, "emission_nm": 528.0}]  # fmt: skip
    assert list(image.metadata["optics"]["channels"]) == channels
    check_outputs(image)
    for name in ("b.ome.tif", "b.ome.zarr"):
        again = read_image(write_image(image, tmp_path / name))
        assert list(again.metadata["optics"]["channels"]) == channels


def test_a_damaged_deltavision_header_is_refused(tmp_path):
    write_deltavision(tmp_path / "a.dv", np.zeros((1, 2, 4, 20, 24), np.uint16))
    whole = bytearray((tmp_path / "a.dv").read_bytes())
    struct.pack_into("<h", whole, 180, 3)
    (tmp_path / "b.dv").write_bytes(whole)
    with pytest.raises(ImageError, match="8 sections for 3 times and 2 channels"):
        read_image(tmp_path / "b.dv")
    (tmp_path / "c.dv").write_bytes((tmp_path / "a.dv").read_bytes()[:-5])
    with pytest.raises(ImageError, match="cut short"):
        read_image(tmp_path / "c.dv")
