"""XISF files, written here by the public specification."""

import base64
import hashlib
import struct
import zlib

import imagecodecs
import numpy as np
import pytest

from unblur.errors import ImageError
from unblur.io import read_image, write_image

RNG = np.random.default_rng(7)
WCS = (("CTYPE1", "'RA---TAN'"), ("CTYPE2", "'DEC--TAN'"), ("CUNIT1", "'deg'"), ("CUNIT2", "'deg'"),
       ("CD1_1", "-0.0005"), ("CD1_2", "0."), ("CD2_1", "0."), ("CD2_2", "0.0005"),
       ("OBJECT", "'M 31''s core'"), ("GAIN", "1.5"), ("GUIDED", "T"))  # fmt: skip


def shuffle(data, item):
    return np.frombuffer(data, np.uint8).reshape(-1, item).T.tobytes()


def image_element(values, extra="", children="", *, compression="", parts=1):
    """Return the attributes of an image and its bytes as they are stored; values (C, Y, X)."""
    data = values.tobytes()
    names = {"u1": "UInt8", "u2": "UInt16", "f4": "Float32", "f8": "Float64"}
    stated = ""
    if compression:
        codec, _, shuffled = compression.partition("+")
        plain = shuffle(data, values.itemsize) if shuffled else data
        step = -(-len(plain) // parts)
        encode = {"zlib": zlib.compress, "zstd": imagecodecs.zstd_encode}.get(
            codec, imagecodecs.lz4_encode
        )
        pieces = [plain[n : n + step] for n in range(0, len(plain), step)]
        packed = [bytes(encode(piece)) for piece in pieces]
        item = f":{values.itemsize}" if shuffled else ""
        stated = f' compression="{compression}:{len(data)}{item}"'
        if parts > 1:
            sizes = [f"{len(a)},{len(b)}" for a, b in zip(packed, pieces, strict=True)]
            stated += f' subblocks="{":".join(sizes)}"'
        data = b"".join(packed)
    count, rows, columns = values.shape
    attributes = f'geometry="{columns}:{rows}:{count}" sampleFormat="{names[values.dtype.str[1:]]}"'
    return f"{attributes}{stated} {extra}", data, children


def write_xisf(path, *images, checksum=True):
    offset, text, blocks = 8192, "", b""
    for attributes, data, children in images:
        digest = f'checksum="sha-1:{hashlib.sha1(data).hexdigest()}"' if checksum else ""
        location = f'location="attachment:{offset + len(blocks)}:{len(data)}"'
        text += f"<Image {attributes} {digest} {location}>{children}</Image>"
        blocks += data
    path.write_bytes(with_header(text).ljust(offset, b"\0") + blocks)


def with_header(text):
    root = '<xisf version="1.0" xmlns="http://www.pixinsight.com/xisf">'
    header = f'<?xml version="1.0" encoding="UTF-8"?>{root}{text}</xisf>'.encode()
    return b"XISF0100" + struct.pack("<II", len(header), 0) + header


def keywords(cards):
    return "".join(f'<FITSKeyword name="{n}" value="{v}" comment="c"/>' for n, v in cards)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("compression", ["", "zlib", "zlib+sh", "lz4+sh", "lz4hc", "zstd+sh"])
def test_pixels_in_every_compression(tmp_path, compression, lazy):
    values = RNG.integers(0, 65536, (1, 20, 24), dtype=np.uint16)
    parts = 3 if compression == "zlib+sh" else 1
    write_xisf(tmp_path / "a.xisf", image_element(values, compression=compression, parts=parts))
    image = read_image(tmp_path / "a.xisf", lazy=lazy)
    assert (image.axes, image.dtype, image.white) == ("YX", np.uint16, 65535)
    np.testing.assert_array_equal(np.asarray(image.data), values[0])


@pytest.mark.parametrize("storage", ["Planar", "Normal"])
def test_colours_keywords_and_pixel_size(tmp_path, check_outputs, storage):
    values = RNG.random((3, 20, 24)).astype(np.float32)
    element = image_element(values, f'colorSpace="RGB" bounds="0:1" pixelStorage="{storage}"',
                            keywords(WCS))  # fmt: skip
    if storage == "Normal":
        element = (element[0], values.transpose(1, 2, 0).tobytes(), element[2])
    write_xisf(tmp_path / "a.xisf", element)
    image = read_image(tmp_path / "a.xisf")
    assert (image.axes, image.white) == ("CYX", 1.0)
    assert image.channels == ("red", "green", "blue")
    assert image.pixel_size == pytest.approx({"Y": 1.8, "X": 1.8})
    assert image.units == {"Y": "arcsec", "X": "arcsec"}
    np.testing.assert_array_equal(image.data, values)
    check_outputs(image)
    fits = pytest.importorskip("astropy.io.fits")
    header = fits.getheader(write_image(image, tmp_path / "a.fits"))
    assert (header["OBJECT"], header["GAIN"], header["GUIDED"]) == ("M 31's core", 1.5, True)
    assert header["CD2_2"] == 0.0005


def test_big_endian_inline_and_embedded_blocks(tmp_path):
    values = RNG.random((1, 4, 5))
    text = base64.b64encode(values.astype(">f8").tobytes()).decode()
    stated = 'geometry="5:4:1" sampleFormat="Float64" byteOrder="big"'
    inline = f'<Image {stated} location="inline:base64">{text}</Image>'
    embedded = (f'<Image {stated} location="embedded"><Data encoding="hex">'
                f"{values.astype('>f8').tobytes().hex()}</Data></Image>")  # fmt: skip
    (tmp_path / "a.xisf").write_bytes(with_header(inline + embedded))
    for part in ("", "[1]"):
        np.testing.assert_array_equal(read_image(tmp_path / f"a.xisf{part}").data, values[0])


def test_each_image_can_be_asked_for(tmp_path):
    values = RNG.integers(0, 256, (2, 1, 20, 24), dtype=np.uint8)
    elements = [image_element(v, f'id="{n}"') for v, n in zip(values, ("main", "map"), strict=True)]
    write_xisf(tmp_path / "a.xisf", *elements)
    first = read_image(tmp_path / "a.xisf")
    assert "holds 2 images" in first.metadata["notes"][0]
    np.testing.assert_array_equal(first.data, values[0, 0])
    for part in ("1", "map"):
        image = read_image(tmp_path / f"a.xisf[{part}]")
        np.testing.assert_array_equal(image.data, values[1, 0])
        assert not image.metadata["notes"]
    with pytest.raises(ImageError, match=r"no image \[2\]; there are 2"):
        read_image(tmp_path / "a.xisf[2]")


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("writer", ["XISF Python Module v0.9.7", "PixInsight"])
def test_an_order_that_the_file_may_not_have_is_noted(tmp_path, writer, count):
    values = RNG.integers(0, 60000, (count, 8, 9), dtype=np.uint16)
    attributes, data, _ = image_element(values)
    properties = f'<Property id="XISF:CreatorModule" type="String">{writer}</Property>'
    text = f'<Image {attributes} location="attachment:4096:{len(data)}"/>'
    header = with_header(f"{text}<Metadata>{properties}</Metadata>")
    (tmp_path / "a.xisf").write_bytes(header.ljust(4096, b"\0") + data)
    notes = read_image(tmp_path / "a.xisf").metadata["notes"]
    assert any(f"of {count} channels" in n for n in notes) == (writer[0] == "X" and count != 3)


def test_what_is_wrong_with_an_xisf_file_is_said(tmp_path):
    values = RNG.integers(0, 65536, (1, 20, 24), dtype=np.uint16)
    write_xisf(tmp_path / "a.xisf", image_element(values))
    whole = (tmp_path / "a.xisf").read_bytes()
    (tmp_path / "short.xisf").write_bytes(whole[:-1])
    (tmp_path / "damaged.xisf").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (tmp_path / "header.xisf").write_bytes(whole[:8] + struct.pack("<I", 2**31) + whole[12:])
    (tmp_path / "other.xisf").write_bytes(b"no image" * 10)
    image = '<Image geometry="5:4:1" sampleFormat="UInt8" {}</Image>'
    texts = {
        "far": 'location="url(file:///etc/hostname)">',
        "bomb": 'compression="zlib:99999999999" location="inline:hex">00',
        "huge": 'location="attachment:0:99999999999">',
        "mosaic": 'location="inline:hex"><ColorFilterArray pattern="RGGB"/>',
        "lab": 'colorSpace="CIELab" location="inline:hex">',
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.xisf").write_bytes(with_header(image.format(text)))
    entities = b'<!DOCTYPE a [<!ENTITY b "c">]><xisf><Image id="&b;"/></xisf>'
    (tmp_path / "entity.xisf").write_bytes(
        b"XISF0100" + struct.pack("<II", len(entities), 0) + entities
    )
    words = {"short": "cut short", "damaged": "check sum sha-1", "header": "cut short",
             "other": "no XISF file", "far": "another file", "bomb": "do not agree",
             "huge": "cut short", "mosaic": "raw mosaic", "lab": "CIELab",
             "entity": "document type"}  # fmt: skip
    for name, expected in words.items():
        with pytest.raises(ImageError, match=expected):
            read_image(tmp_path / f"{name}.xisf")
