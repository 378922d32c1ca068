"""FITS images with their headers and world coordinates, values in physical units.

Requires astropy, which the extra `astro` installs.
"""

from __future__ import annotations

import gzip
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError, OutputError
from unblur.io.axes import canonical, check_given
from unblur.io.files import split_part
from unblur.io.fits.companions import describe_companions, describe_further_images, find_companions
from unblur.io.fits.extensions import describe_lost_fractions, find_image, is_offset_plio
from unblur.io.fits.header import BITPIX, first_pixels, fits_axes, pixel_scale, result_header
from unblur.io.fits.lost_floats import describe_lost_floats, lost_float_value
from unblur.io.fits.pixel_keywords import keyword_pixel_size
from unblur.io.lazy_pixels import Lazy, MappedFile, StoredPixels, check_fits_memory, is_read_lazily
from unblur.io.region_writers import staged
from unblur.io.size_limits import check_expansion
from unblur.io.tiff.writer import bands
from unblur.model.formats import Reader, Writer, require_dtype
from unblur.model.image import Image

_BLOCK = 2880
_BAND_BYTES = 2**22
_MOSAIC_KEYS = ("BAYERPAT", "COLORTYP", "CFAPAT", "BAYRPAT")
"""Keywords by which camera programs state the colour filters of a mosaic."""
_WRITTEN = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz")


class FitsReader(Reader):
    """Reads the first image in a FITS file, or `name.fits[2]`, `name.fits[SCI]`, `[SCI,2]`.

    Scaled integers are converted to the physical values that the header defines; unsigned
    integers are returned as such. Axes beyond rows and columns are channels unless the header
    names them time or depth.
    """

    name = "fits"
    suffixes = (*_WRITTEN, ".fits.fz")
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: Lazy = False) -> Image:
        """Return the image; lazy images read sections on demand, .gz at once."""
        file, part = split_part(path)
        source = str(path)
        with _opened(file) as hdus:
            number = find_image(hdus, part, file)
            hdu = hdus[number]
            header = hdu.header
            primary = hdus[0].header if number else None
            shape = tuple(int(n) for n in hdu.shape)
            _check_developed(header, source)
            if 0 in shape:
                raise ImageError(f"{source}: the image is empty (shape {shape}).")
            names = (
                fits_axes(header, shape, source)
                if axes is None
                else check_given(axes, shape, source)
            )
            packed = file.suffix.lower() in (".gz", ".fz") or header.get("ZIMAGE", False)
            bits = abs(int(header.get("BITPIX", 8)))
            if packed or hasattr(hdu, "compression_type"):
                check_expansion(float(prod(shape)) * bits / 8, file.stat().st_size, source)
            nodata: float | None = blank_value(header)
            by_astropy = nodata is None and not is_offset_plio(hdu)
            pixels = hdu.section if by_astropy else open_section(file, str(number))
            first = np.asarray(pixels[(*(0,) * (len(shape) - 1), slice(0, 1))])
            dtype = first.dtype.newbyteorder("=")
            notes = describe_lost_fractions(hdu, number, file)
            lost = lost_float_value(dtype)
            if is_read_lazily(lazy, shape, dtype) and file.suffix.lower() != ".gz":
                stored = StoredPixels(open_section, file, str(number), shape, dtype)
                native = [256 if a in "YX" else 1 for a in names]
                data = stored.to_dask(native, [names.index(a) for a in "YX"])
                nodata = lost if nodata is None else nodata
            else:
                check_fits_memory(shape, dtype, file)
                data = np.array(hdu.data if by_astropy else pixels[...], dtype=dtype)
                if lost is not None and (lost_note := describe_lost_floats(data, lost)):
                    nodata, notes = lost, (*notes, *lost_note)
            sizes, units = pixel_scale(header, names)
            if not {"Y", "X"} & set(sizes):
                found, unit, said = keyword_pixel_size(*(h for h in (header, primary) if h))
                sizes, units = sizes | found, units | dict.fromkeys(found, unit)
                notes += said
            companions = find_companions(hdus, number, file)
            notes += () if part else describe_further_images(hdus, number, companions, file)
            kept = {
                "header": header.tostring(sep="\n"),
                "primary": None if primary is None else primary.tostring(sep="\n"),
                "companions": companions,
            }
        data, order = canonical(data, names)
        metadata: dict[str, Any] = {
            "format": "fits",
            "file_axes": names,
            "notes": (*notes, *describe_companions(companions)),
            "fits": kept,
        }
        return Image(
            data,
            order,
            {a: s for a, s in sizes.items() if a in order},
            {a: u for a, u in units.items() if a in order},
            nodata=nodata,
            metadata=metadata,
            source=source,
        )


class FitsWriter(Writer):
    """Writes FITS with the header of the input, in an extension if the input was in one.

    Extensions that belong to the image (errors, data quality, distortion tables) follow it as
    the input has them.
    """

    name = "fits"
    suffixes = _WRITTEN

    def check(self, image: Image) -> None:
        """Raise `OutputError` for dtypes that FITS does not have, or if astropy is missing."""
        require_dtype(image, tuple(BITPIX), "FITS", "convert it, or write .tif instead")
        try:
            _astropy()
        except ImageError as error:
            raise OutputError(str(error)) from None

    def write(self, image: Image, path: Path) -> None:
        """Write the image; a dask array is computed one row of chunks at a time."""
        axes = _axes(image)
        headers = result_header(image, axes)
        opener: Any = gzip.open if path.name.endswith(".gz") else Path.open
        with (
            staged(image, path, "YX") if image.is_lazy else nullcontext(image) as source,
            opener(path, "wb") as file,
        ):
            for header in headers:
                file.write(header.tostring().encode("ascii"))
            order = [image.axes.index(a) for a in axes if a in image.axes]
            size = sum(_write_block(file, block) for block in _blocks(source.data.transpose(order)))
            file.write(b"\0" * (-size % _BLOCK))
            for companion in image.metadata.get("fits", {}).get("companions", ()):
                companion.write(file, first_pixels(image, axes), _extents(image, axes))


class _Section:
    """The pixels of an HDU, read when indexed; keeps the file open.

    A lock serialises threads, which share one position in the file.
    """

    def __init__(self, hdus: Any, number: int) -> None:
        self._hdus, self._number = hdus, number
        self._lock = threading.Lock()
        self.shape = tuple(hdus[number].shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        with self._lock:
            return np.array(self._hdus[self._number].section[index])


class _Unsigned:
    """Unsigned integers, which FITS stores as signed integers offset by half their range.

    With `offset` False they are the stored bits.
    """

    def __init__(self, stored: MappedFile | _Section, offset: bool = True) -> None:
        self._stored, self._offset = stored, offset
        self.shape = stored.shape

    def __getitem__(self, index: Any) -> NDArray[Any]:
        values = self._stored[index]
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        size = values.dtype.itemsize
        bits = values.view(f"u{size}")
        return np.asarray(bits ^ _half(size) if self._offset else bits)


def open_section(path: Path, part: str) -> Any:
    """Return an array-like over HDU number `part` that reads the indexed region.

    Unscaled values, and unsigned ones with an offset, are read directly; scaled and compressed
    values are read by astropy, which is slower. Integers keep their type where BLANK marks some of
    them.
    """
    fits = _astropy()
    hdus = fits.open(path, memmap=False, uint=True)
    hdu = hdus[int(part)]
    header = hdu.header
    plain = type(hdu) in (fits.PrimaryHDU, fits.ImageHDU)
    if plain and path.suffix.lower() != ".gz" and _is_unscaled(header):
        size = abs(int(header["BITPIX"])) // 8
        kind = "u" if size == 1 else "f" if header["BITPIX"] < 0 else "i"
        mapped = MappedFile(
            path, np.dtype(f">{kind}{size}"), int(hdu.fileinfo()["datLoc"]), tuple(hdu.shape)
        )
        hdus.close()
        return _Unsigned(mapped) if header.get("BZERO", 0) else mapped
    plio = is_offset_plio(hdu)
    if blank_value(header) is not None or plio:
        zero = header.get("BZERO", 0)
        hdus.close()
        raw = _Section(fits.open(path, memmap=False, do_not_scale_image_data=True), int(part))
        return _Unsigned(raw, offset=not plio) if zero else raw
    return _Section(hdus, int(part))


def blank_value(header: Any) -> int | None:
    """Return the value, in the image's units, of integer pixels without data (BLANK)."""
    if "BLANK" not in header or int(header.get("BITPIX", 0)) < 0 or not _is_unscaled(header):
        return None
    return int(header["BLANK"]) + int(header.get("BZERO", 0))


def _is_unscaled(header: Any) -> bool:
    """Return whether pixels are the stored numbers, or these moved because they are unsigned."""
    bits = int(header.get("BITPIX", 0))
    shifts = (0, 2 ** (bits - 1)) if bits in (16, 32, 64) else (0,)
    return bool(header.get("BSCALE", 1) == 1 and header.get("BZERO", 0) in shifts)


def _check_developed(header: Any, source: str) -> None:
    """Raise `ImageError` for the raw mosaic of a colour camera."""
    pattern = next((header[key] for key in _MOSAIC_KEYS if header.get(key)), None)
    if pattern is not None:
        raise ImageError(
            f"{source} holds the raw mosaic of a colour camera ({str(pattern).strip()}); develop "
            "it to colours first, e.g. in the program that stacks or calibrates the frames."
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    fits = _astropy()
    with warnings.catch_warnings():
        # astropy only warns about a truncated file and pads it with arbitrary values.
        warnings.filterwarnings("ignore", module="astropy")
        warnings.filterwarnings("error", message=".*truncated.*")
        try:
            with fits.open(path, uint=True) as hdus:
                yield hdus
        except UserWarning:
            raise ImageError(f"{path} is cut short; copy or download it again.") from None


def _axes(image: Image) -> str:
    file_axes = str(image.metadata.get("file_axes", ""))
    if image.metadata.get("format") == "fits" and set(image.axes) <= set(file_axes):
        # Q is an axis of length 1, which the image has dropped.
        return "".join(a for a in file_axes if a in image.axes or a == "Q")
    return image.axes


def _extents(image: Image, axes: str) -> dict[int, int]:
    return {n: image.extent(axis) for n, axis in enumerate(reversed(axes), start=1)}


def _blocks(data: Any) -> Iterator[NDArray[Any]]:
    row = data.shape[-1] * data.dtype.itemsize
    height = max(1, _BAND_BYTES // row)
    for index in np.ndindex(*data.shape[:-2]):
        plane = data[index]
        if hasattr(data, "dask"):
            yield from bands(plane, height)
        else:
            yield from (plane[top : top + height] for top in range(0, len(plane), height))


def _write_block(file: IO[bytes], block: NDArray[Any]) -> int:
    """Write values in the types of FITS, big-endian; unsigned ones offset by half their range."""
    stored = np.ascontiguousarray(block)
    if stored.dtype.kind == "u" and stored.dtype.itemsize > 1:
        stored = (stored ^ _half(stored.dtype.itemsize)).view(f"i{stored.dtype.itemsize}")
    elif stored.dtype == np.int8:
        stored = stored.view(np.uint8) ^ np.uint8(128)
    stored = stored.astype(stored.dtype.newbyteorder(">"), copy=False)
    file.write(stored.tobytes())
    return stored.nbytes


def _half(size: int) -> NDArray[Any]:
    """Return half the range of an unsigned integer of `size` bytes: its top bit."""
    return np.array(1 << (8 * size - 1), f"u{size}")


def _astropy() -> Any:
    try:
        from astropy.io import fits
    except ImportError:
        raise ImageError(
            "FITS files need astropy, which is not installed; run: pip install 'unblur[astro]'."
        ) from None
    return fits
