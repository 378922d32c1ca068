"""Small valid files of every format that the product reads, from which fuzz.py makes others."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unblur.io import write_image
from unblur.model.image import Image

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ROOT / "tests/plugins/formats"
"""Folder of the tests whose functions write the files of microscopes and cameras."""

Kind = Literal["image", "psf", "pipeline"]


@dataclass(frozen=True)
class Seed:
    """A valid file or store.

    Parameters
    ----------
    group : str
        Format that it counts for, e.g. "tiff".
    kind : str
        How it is read: as an image, a kernel or a pipeline.
    path : Path
        The file or the folder of the store.
    """

    group: str
    kind: Kind
    path: Path


def make_seeds(folder: Path) -> list[Seed]:
    """Write all valid files into a folder, the same ones on every call."""
    rng = np.random.default_rng(28)
    makers: list[Callable[[Path, Any], Iterator[Seed]]] = [
        _tiff, _ome_tiff, _photographs, _fits, _zarr, _numpy, _kernels, _pipelines, _instruments,
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [seed for maker in makers for seed in maker(folder, rng)]


def _tiff(folder: Path, rng: Any) -> Iterator[Seed]:
    import tifffile

    data = rng.integers(0, 60000, (3, 40, 48)).astype(np.uint16)
    variants: dict[str, dict[str, Any]] = {
        "strips": {"rowsperstrip": 16},
        "pages": {"metadata": None},
        "tiles": {"tile": (16, 16)},
        "deflate": {"tile": (16, 16), "compression": "zlib", "predictor": True},
        "lzw": {"compression": "lzw"},
        "big": {"bigtiff": True},
        "imagej": {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}},
        "resolution": {"resolution": (1e4, 1e4), "resolutionunit": "CENTIMETER"},
    }
    for name, options in variants.items():
        path = folder / f"{name}.tif"
        tifffile.imwrite(path, data, photometric="minisblack", **options)
        yield Seed("tiff", "image", path)
    colours = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
    tifffile.imwrite(folder / "rgb.tif", colours, photometric="rgb", extratags=[
        (33550, "d", 3, (0.5, 0.5, 0.0), True), (42113, "s", 0, "-9999", True),
    ])  # fmt: skip
    yield Seed("tiff", "image", folder / "rgb.tif")


def _ome_tiff(folder: Path, rng: Any) -> Iterator[Seed]:
    image = Image(
        rng.integers(0, 4095, (2, 3, 40, 48)).astype(np.uint16),
        "CZYX",
        {"Z": 0.3, "Y": 0.1, "X": 0.1},
        dict.fromkeys("ZYX", "µm"),
        4095.0,
        ("DAPI", "GFP"),
        {"history": ("a line of history",), "optics": {"na": 1.4, "immersion": "oil"}},
    )
    yield Seed("ome-xml", "image", write_image(image, folder / "cells.ome.tif"))


def _photographs(folder: Path, rng: Any) -> Iterator[Seed]:
    from PIL import Image as pil

    colours = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
    grey = Image(rng.integers(0, 60000, (40, 48)).astype(np.uint16), "YX", {"Y": 2.0, "X": 2.0},
                 {"Y": "µm", "X": "µm"}, 4095.0, (), {"history": ("a line",)})  # fmt: skip
    yield Seed("png", "image", write_image(grey, folder / "grey.png"))
    picture = pil.fromarray(colours)
    exif = pil.Exif()
    exif[274] = 6
    for name, mode in (("rgb", "RGB"), ("palette", "P"), ("bits", "1"), ("alpha", "RGBA")):
        picture.convert(mode).save(folder / f"{name}.png", exif=exif)
        yield Seed("png", "image", folder / f"{name}.png")
    for name, options in (("a", {}), ("progressive", {"progressive": True}), ("exif", {})):
        picture.save(folder / f"{name}.jpg", quality=90, dpi=(300, 300), exif=exif, **options)
        yield Seed("jpeg", "image", folder / f"{name}.jpg")
    for name, lossless in (("lossy", False), ("lossless", True)):
        picture.save(folder / f"{name}.webp", lossless=lossless, exif=exif)
        yield Seed("webp", "image", folder / f"{name}.webp")
    for name, mode in (("rgb", "RGB"), ("palette", "P"), ("bits", "1")):
        picture.convert(mode).save(folder / f"{name}.bmp")
        yield Seed("bmp", "image", folder / f"{name}.bmp")
    for suffix, mode in (("pbm", "1"), ("pgm", "L"), ("ppm", "RGB")):
        picture.convert(mode).save(folder / f"a.{suffix}")
        yield Seed("netpbm", "image", folder / f"a.{suffix}")
    yield from _more_netpbm(folder, colours)
    paletted = picture.quantize(16)
    paletted.save(folder / "a.gif", save_all=True, append_images=[paletted.rotate(180)])
    yield Seed("gif", "image", folder / "a.gif")
    paletted.save(folder / "one.gif", transparency=3)
    yield Seed("gif", "image", folder / "one.gif")
    others = {"save_all": True, "append_images": [picture.rotate(180), picture]}
    picture.save(folder / "a.frames.png", exif=exif, **others)
    picture.save(folder / "replaced.frames.png", default_image=True, **others)
    for name in ("a.frames.png", "replaced.frames.png"):
        yield Seed("apng", "image", folder / name)
    picture.save(folder / "a.mpo", exif=exif, **others)
    yield Seed("mpo", "image", folder / "a.mpo")
    yield from _jpeg_successors(folder, colours)


def _more_netpbm(folder: Path, colours: Any) -> Iterator[Seed]:
    """Write the kinds of Netpbm that Pillow does not write."""
    grey, bits = colours[..., 0], colours[..., 0] > 127
    values = " ".join(map(str, grey.ravel()))
    alpha = np.concatenate([colours, colours[..., :1]], axis=-1)
    head = "WIDTH 48\nHEIGHT 40\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    files = {
        "text.pbm": b"P1\n48 40\n" + " ".join(map(str, bits.ravel().astype(int))).encode(),
        "text.pgm": f"P2\n# a comment\n48 40\n255\n{values}\n".encode(),
        "deep.pgm": b"P5 48 40 65535\n" + (grey.astype(">u2") * 257).tobytes(),
        "frames.pgm": 2 * (b"P5\n48 40\n255\n" + grey.tobytes()),
        "a.pam": f"P7\n{head}".encode() + alpha.tobytes(),
        "a.pfm": b"PF\n48 40\n-1.0\n" + colours.astype("<f4").tobytes(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
        yield Seed("netpbm", "image", folder / name)


def _jpeg_successors(folder: Path, colours: Any) -> Iterator[Seed]:
    import imagecodecs

    deep, grey = colours.astype(np.uint16) * 16, colours[..., 0]
    frames = np.stack([colours, colours[::-1]])
    encoded = {
        "a.jp2": imagecodecs.jpeg2k_encode(colours, level=0, codecformat="JP2"),
        "a.j2k": imagecodecs.jpeg2k_encode(colours, level=0, codecformat="J2K"),
        "deep.jp2": imagecodecs.jpeg2k_encode(deep, level=0, bitspersample=12),
        "a.jxl": imagecodecs.jpegxl_encode(colours, lossless=True, usecontainer=True),
        "lossy.jxl": imagecodecs.jpegxl_encode(grey, distance=1.0),
        "frames.jxl": imagecodecs.jpegxl_encode(frames, lossless=True),
        "a.avif": imagecodecs.avif_encode(colours, level=90, speed=10),
        "deep.avif": imagecodecs.avif_encode(deep // 4, bitspersample=10, speed=10),
        "frames.avif": imagecodecs.avif_encode(frames, level=90, speed=10),
    }
    groups = {"jp2": "jpeg2000", "j2k": "jpeg2000", "jxl": "jpegxl", "avif": "avif"}
    for name, content in encoded.items():
        (folder / name).write_bytes(content)
        yield Seed(groups[name.split(".")[-1]], "image", folder / name)


def _fits(folder: Path, rng: Any) -> Iterator[Seed]:
    from astropy.io import fits

    sky = rng.normal(100, 5, (40, 48)).astype(np.float32)
    header = fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CDELT1", -1e-4),
                          ("CDELT2", 1e-4), ("CRPIX1", 20.0), ("CRVAL1", 150.0)])  # fmt: skip
    counts = fits.PrimaryHDU((sky * 10).astype(np.uint16))
    whole = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(sky, header, name="SCI"),
                          fits.ImageHDU(sky * 0, name="ERR")])  # fmt: skip
    scaled = fits.PrimaryHDU((sky * 10).astype(np.int16))
    scaled.header["BLANK"] = -1
    packed = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU((sky * 10).astype(np.int32))])
    for name, found in {"counts.fits": counts, "sci.fits": whole, "blank.fits": scaled,
                        "sky.fits.gz": whole, "packed.fits.fz": packed}.items():  # fmt: skip
        found.writeto(folder / name)
        yield Seed("fits", "image", folder / name)


def _zarr(folder: Path, rng: Any) -> Iterator[Seed]:
    import zarr
    from zarr.codecs import BloscCodec

    data = rng.integers(0, 4095, (3, 40, 48)).astype(np.uint16)
    image = Image(data, "ZYX", {"Z": 0.3, "Y": 0.1, "X": 0.1}, dict.fromkeys("ZYX", "µm"))
    yield Seed("zarr", "image", write_image(image, folder / "v3.ome.zarr"))
    older = {"zarr": {"version": 2}, "ome-zarr": {"version": 2}}
    second = Image(data, "ZYX", image.pixel_size, image.units, metadata=older)
    yield Seed("zarr", "image", write_image(second, folder / "v2.ome.zarr"))
    plain = {"plain": {}, "blosc": {"compressors": BloscCodec()},
             "sharded": {"shards": (1, 32, 32)}}  # fmt: skip
    for name, options in plain.items():
        path = folder / f"{name}.zarr"
        array = zarr.create_array(path, shape=data.shape, dtype=data.dtype, chunks=(1, 16, 16),
                                  **options)  # fmt: skip
        array[...] = data
        yield Seed("zarr", "image", path)


def _numpy(folder: Path, rng: Any) -> Iterator[Seed]:
    data = rng.normal(size=(3, 40, 48)).astype(np.float32)
    np.save(folder / "a.npy", data)
    np.save(folder / "columns.npy", np.asfortranarray(data[0]))
    np.savez(folder / "a.npz", image=data, other=data[0])
    np.savez_compressed(folder / "packed.npz", data)
    for name in ("a.npy", "columns.npy", "a.npz", "packed.npz"):
        yield Seed("npy", "image", folder / name)


def _kernels(folder: Path, rng: Any) -> Iterator[Seed]:
    from unblur.io import write_kernel
    from unblur.model.kernel import Kernel, KernelField

    one = Kernel.from_samples(np.outer(np.hanning(9), np.hanning(11)).astype(np.float32))
    field = KernelField(((one, one), (one, one)), (10.0, 30.0), (10.0, 30.0))
    for name, kernel in (("one.tif", KernelField.single(one)), ("field.tif", field)):
        write_kernel(kernel, folder / f"psf-{name}")
        yield Seed("psf", "psf", folder / f"psf-{name}")
    stack = np.stack([one.weights] * 4)
    positions = [[10, 10], [10, 30], [30, 10], [30, 30]]
    np.savez(folder / "psf.npz", kernels=stack, positions=positions, pixel_size=[0.1, 0.1])
    yield Seed("psf", "psf", folder / "psf.npz")
    beside = folder / "psf-beside"
    beside.mkdir()
    np.save(beside / "psf.npy", stack)
    stated = {"positions": positions, "pixel_size": {"Y": 0.1, "X": 0.1}, "units": "µm"}
    (beside / "psf.json").write_text(json.dumps(stated))
    yield Seed("psf", "psf", beside)


def _pipelines(folder: Path, rng: Any) -> Iterator[Seed]:
    for path in sorted((ROOT / "pipelines").glob("*.yaml"))[::4]:
        yield Seed("pipeline", "pipeline", Path(shutil.copy(path, folder)))


def _instruments(folder: Path, rng: Any) -> Iterator[Seed]:
    """Write the files of microscopes and cameras with the functions of their tests."""
    sys.path.insert(0, str(FORMATS))
    try:
        import test_lif
        import test_lsm
        import test_mrc
        import test_nd2
        import test_oib
        import test_ser
        import test_xisf
    finally:
        sys.path.remove(str(FORMATS))
    frames = rng.integers(0, 4096, (3, 20, 24), dtype=np.uint16)
    test_ser.write_ser(folder / "a.ser", frames, depth=12)
    test_mrc.write_mrc(folder / "a.mrc", frames)
    test_mrc.write_deltavision(folder / "a.dv", frames[None, None])
    for name in ("", "zlib+sh", "zstd"):
        element = test_xisf.image_element(frames, compression=name)
        test_xisf.write_xisf(folder / f"a{name[:4]}.xisf", element)
        yield Seed("xisf", "image", folder / f"a{name[:4]}.xisf")
    test_lif.write_lif(folder / "a.lif", test_lif.image_element("a", frames, "ZYX"))
    test_nd2.write_nd2(folder / "a.nd2", frames[None, None, :, None])
    test_lsm.write_lsm(folder / "a.lsm", frames[None, None])
    test_oib.write_oib(folder / "a.oib", rng.integers(0, 4096, (2, 2, 3, 48, 50), np.uint16))
    for name in ("colours.czi", "picture.heic"):
        shutil.copy(FORMATS / "samples" / name, folder)
    for name in ("a.ser", "a.mrc", "a.dv", "a.lif", "a.nd2", "a.lsm", "a.oib", "colours.czi",
                 "picture.heic"):  # fmt: skip
        yield Seed(name.split(".")[-1], "image", folder / name)
