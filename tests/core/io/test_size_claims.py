"""What a file claims (sizes, places, codecs, names of other files) is checked before it is used."""

from __future__ import annotations

import io
import json
import struct
import time

import numpy as np
import pytest
import tifffile
import zarr

from unblur.errors import ImageError, KernelError
from unblur.io import read_image, read_kernel, size_limits, write_image
from unblur.io.lazy_pixels import CHUNKS, MAX_CHUNKS, enlarge_chunk
from unblur.io.tiff.tag_checks import check_tags
from unblur.io.zarr.checked_store import check_chunk
from unblur.model.image import Image

IMAGE = Image(np.arange(2000, dtype=np.uint16).reshape(40, 50), "YX")


def test_a_small_file_that_states_a_large_image_is_refused_unless_sizes_are_trusted(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(size_limits, "MAX_UNCHECKED_BYTES", 10**4)
    monkeypatch.setattr(size_limits, "MAX_EXPANSION", 20)
    blank = np.zeros((300, 400), np.uint16)
    np.savez_compressed(tmp_path / "a.npz", blank)
    tifffile.imwrite(tmp_path / "a.tif", blank, compression="zlib")
    tifffile.imwrite(tmp_path / "plane.tif", blank, compression="zlib", rowsperstrip=300)
    write_image(Image(blank, "YX"), tmp_path / "a.png")
    zarr.create_array(tmp_path / "a.zarr", shape=(300, 400), dtype="u2", chunks=(300, 400))
    for name in ("a.npz", "a.tif", "a.png", "a.zarr"):
        with pytest.raises(ImageError, match="decompression bomb; if the file is genuine, use"):
            read_image(tmp_path / name)
    for name in ("plane.tif", "a.zarr"):  # of which any pixel costs the whole
        with pytest.raises(ImageError, match="decompression bomb"):
            read_image(tmp_path / name, lazy=True)
    monkeypatch.setenv(size_limits.TRUST, "1")
    assert read_image(tmp_path / "a.npz").shape == (300, 400)


def test_chunks_of_no_extent_count_as_one_pixel_and_of_many_planes_some_are_joined():
    assert enlarge_chunk((40, 50), (0, 0), 1) == (40, 50)
    chunk = enlarge_chunk((10**6, 2, 2), (1, 2, 2), 1)
    assert 10**6 / chunk[0] <= CHUNKS
    chunk = enlarge_chunk((2**31, 40, 48), (1, 16, 16), 2)
    assert 2**31 / chunk[0] <= MAX_CHUNKS
    assert chunk[1:] == (40, 48)


def test_a_store_of_very_many_planes_without_chunks_is_opened_at_once(tmp_path):
    store, shape = tmp_path / "a.zarr", (2**31, 40, 48)
    zarr.create_array(store, shape=shape, dtype="uint16", chunks=(1, 16, 16))
    began = time.process_time()
    image = read_image(tmp_path / "a.zarr", lazy=True)
    assert image.data[-1, -1, -1].compute(scheduler="synchronous") == 0
    assert time.process_time() - began < 5


def test_long_names_of_axes_are_quoted_in_part(tmp_path):
    write_image(IMAGE, tmp_path / "a.ome.zarr")
    described = tmp_path / "a.ome.zarr" / "zarr.json"
    content = json.loads(described.read_text())
    content["attributes"]["ome"]["multiscales"][0]["axes"][1]["name"] = "x" * 2000
    described.write_text(json.dumps(content))
    with pytest.raises(ImageError, match="the axes y, x+… of 2-dimensional data") as found:
        read_image(tmp_path / "a.ome.zarr")
    assert len(str(found.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("code", [273, 279])
def test_a_tiff_without_the_places_of_its_strips_is_refused(tmp_path, code, lazy):
    """Readers commonly take them for zeros."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE.data, compression="zlib", rowsperstrip=10)
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags[code].offset
    with path.open("r+b") as file:
        file.seek(place)
        file.write(struct.pack("<H", 64999))
    with pytest.raises(ImageError, match=r"it states the places of \d of the 4 strips|cannot be"):
        read_image(path, lazy=lazy)


def test_tags_and_pages_are_counted_before_they_are_read(tmp_path, monkeypatch):
    """The file is only this check's: no other reader gets it."""
    path = tmp_path / "a.tif"
    tag = struct.pack("<HHII", 65000, 4, 2**30, 0)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4))
    with pytest.raises(ImageError, match=r"states 4294967296 bytes in one tag, more than"):
        check_tags(path)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, 5000) + bytes(40))
    with pytest.raises(ImageError, match="states 5000 tags on a page"):
        check_tags(path)
    tifffile.imwrite(path, np.zeros((9, 40, 50)), photometric="minisblack", metadata=None)
    monkeypatch.setattr("unblur.io.tiff.tag_checks.MAX_PAGES", 8)
    with pytest.raises(ImageError, match="states 9 pages or more, more than the limit of 8"):
        read_image(path)


def test_ome_xml_names_no_file_in_another_folder_and_no_absurd_sizes(tmp_path):
    path = tmp_path / "a.ome.tif"
    head = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    pixels = '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="50" SizeY="40" '
    rest = {
        'SizeZ="1" SizeC="1" SizeT="1"><TiffData><UUID FileName="../b.tif">urn:uuid:1</UUID>'
        "</TiffData></Pixels></Image></OME>": r"name a file in another folder \('\.\./b\.tif'\)",
        'SizeZ="90000" SizeC="90000" SizeT="1"/></Image></OME>': "states 8100000000 planes",
        'SizeZ="-3" SizeC="1" SizeT="1"/></Image></OME>': "state the sizes 1 x 1 x -3 x 40 x 50",
    }
    for text, message in rest.items():
        tifffile.imwrite(path, IMAGE.data, description=head + pixels + text, metadata=None)
        with pytest.raises(ImageError, match=message):
            read_image(path)


def test_a_chunk_is_compared_with_its_array_before_it_is_decoded():
    whole = struct.pack("<BBBBIII", 2, 1, 0x21, 2, 512, 512, 100).ljust(100, b"x")
    check_chunk(whole, "blosc", 512)
    for data in (whole[:90], whole[:9]):
        with pytest.raises(ValueError, match="cut short|90 of 100 bytes"):
            check_chunk(data, "blosc", 512)
    with pytest.raises(ValueError, match="decompresses to 512 bytes in place of 256"):
        check_chunk(whole, "blosc", 256)
    import zlib

    from imagecodecs import zstd_encode

    plain = bytes(10**5)
    for codec, data in {"zstd": bytes(zstd_encode(plain)), "gzip": zlib.compress(plain),
                        "lz4": struct.pack("<I", 10**5) + b"x"}.items():  # fmt: skip
        check_chunk(data, codec, 10**5)
        with pytest.raises(ValueError, match="in place of 10000"):
            check_chunk(data, codec, 10**4)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_blosc_chunk_that_was_cut_short_is_refused(tmp_path, lazy):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(
        path, shape=(40, 50), chunks=(20, 25), dtype="u2", compressors=zarr.codecs.BloscCodec()
    )
    array[...] = IMAGE.data
    np.testing.assert_array_equal(np.asarray(read_image(path, lazy=lazy).data), IMAGE.data)
    chunk = next(p for p in path.rglob("1") if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(ImageError, match=r"a chunk has \d+ of \d+ bytes"):
        np.asarray(read_image(path, lazy=lazy).data)


def test_zarr_metadata_choose_no_code_no_other_folder_and_no_absurd_number_of_chunks(tmp_path):
    objects = tmp_path / "objects.zarr"
    objects.mkdir()
    stated = {"zarr_format": 2, "shape": [4, 4], "chunks": [2, 2], "dtype": "|u1", "order": "C",
              "compressor": None, "fill_value": 0, "filters": [{"id": "pickle"}]}  # fmt: skip
    (objects / ".zarray").write_text(json.dumps(stated))
    with pytest.raises(ImageError, match=r"holds Python objects|cannot be read"):
        read_image(objects)
    for level in ("../other.zarr", "/0", "a/../../b"):
        path = write_image(IMAGE, tmp_path / f"{len(level)}.ome.zarr")
        text = (path / "zarr.json").read_text()
        (path / "zarr.json").write_text(text.replace('"path": "0"', f'"path": "{level}"'))
        with pytest.raises(ImageError, match="state a level outside of the store"):
            read_image(path)
    many = tmp_path / "many.zarr"
    zarr.create_array(many, shape=(1000, 1000), dtype="u1", chunks=(1, 1))
    with pytest.raises(ImageError, match="states 1000000 chunks, more than the limit of 8192"):
        read_image(many)


def test_facts_of_kernels_that_are_no_numbers(tmp_path):
    np.save(tmp_path / "k.npy", np.ones((5, 5), np.float32))
    for text, error in {
        "[" * 10**5: "its JSON cannot be read",
        '{"pixel_size": -1}': "pixel_size is a number",
        '{"pixel_size": NaN}': "pixel_size is a number",
        '{"positions": [[1e999, 0]]}': "positions are pairs",
    }.items():
        (tmp_path / "k.json").write_text(text)
        with pytest.raises(KernelError, match=error):
            read_kernel(tmp_path / "k.npy")
    (tmp_path / "k.json").unlink()
    held = io.BytesIO()
    np.save(held, np.array([{}], object), allow_pickle=True)
    import zipfile

    with zipfile.ZipFile(tmp_path / "k.npz", "w") as out:
        out.write(tmp_path / "k.npy", "kernels.npy")
        out.writestr("positions.npy", held.getvalue())
    with pytest.raises(KernelError, match="positions cannot be read"):
        read_kernel(tmp_path / "k.npz")
