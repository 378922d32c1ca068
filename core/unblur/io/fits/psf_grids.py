"""PSFs over the field in FITS files of STPSF, STDPSF and PSFEx, at the image's pixels.

- STPSF (WebbPSF) writes a stack of effective PSFs, `OVERSAMP` samples per pixel along an axis, with
  their positions `DET_YX0`, `DET_YX1`, ... as text "(y, x)", which count from 0; photutils reads it
  as a `GriddedPSFModel`.
- STDPSF, the libraries of J. Anderson for Hubble and Webb, has 4 samples per pixel, positions
  `IPSFX01`, `JPSFY01`, ... which count from 1, and `NXPSFS` by `NYPSFS` PSFs.
- PSFEx writes a table `PSF_DATA` of one cell, the coefficients of a polynomial in the normalised
  position, with the keywords `POLDEG1`, `POLZERO1`, `POLSCAL1`, ... and `PSF_SAMP`, the pixels
  per sample. Its polynomial is evaluated on a grid over the range of positions it was fitted in.

All three hold the PSF integrated over a pixel, on a finer grid, so that the kernel is interpolated
at the pixels' centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import KernelError

Array = NDArray[np.float64]

STDPSF_OVERSAMPLING = 4
"""Samples per pixel of an STDPSF along an axis, which its header does not state, dimensionless."""

GRID = (1, 3, 5, 7)
"""Number of positions along an axis at which a polynomial of degree 0, 1, 2 and above is evaluated,
dimensionless."""

SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".psf")
"""Suffixes of the files that are examined."""


@dataclass(frozen=True, eq=False)
class PsfGrid:
    """PSFs on a grid over the image.

    Attributes
    ----------
    values : (N, h, w)
        Samples at the image's pixels, odd extents.
    positions : (N, 2)
        Rows and columns in pixels, counted from 0.
    """

    values: Array
    positions: Array


def read_psf_grid(path: Path) -> PsfGrid | None:
    """Return the PSFs over the field in a FITS file, or None if it is of another kind.

    Raises
    ------
    KernelError
        If the file is of such a kind but its keywords do not fit its samples.
    """
    if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
        return None
    try:
        from astropy.io import fits

        from unblur.io.fits.extensions import readable_extensions

        with fits.open(path, ignore_missing_end=True) as hdus:
            table = next(
                (h for h in readable_extensions(hdus, path) if "PSF_SAMP" in h.header), None
            )
            if table is not None:
                header, values = table.header, np.asarray(table.data[0][0], np.float64)
                read = _psfex
            else:
                header = hdus[0].header
                if "DET_YX0" not in header and "NXPSFS" not in header:
                    return None
                read = _stpsf if "DET_YX0" in header else _stdpsf
                values = np.asarray(hdus[0].data, np.float64)
    except (ImportError, OSError, TypeError):
        return None  # reading the file as an image raises the error that describes its defect
    try:
        return read(header, values)
    except (KeyError, ValueError, IndexError) as error:
        raise KernelError(
            f"{path}: the keywords of its grid of PSFs do not fit its samples ({error})."
        ) from None


def _stpsf(header: Any, values: Array) -> PsfGrid:
    stack = values.reshape(-1, *values.shape[-2:])
    positions = [
        [float(number) for number in str(header[f"DET_YX{n}"]).strip("() ").split(",")]
        for n in range(len(stack))
    ]
    return _on_grid(stack, np.array(positions), float(header["OVERSAMP"]))


def _stdpsf(header: Any, values: Array) -> PsfGrid:
    columns = [float(header[f"IPSFX{n:02d}"]) - 1 for n in range(1, int(header["NXPSFS"]) + 1)]
    rows = [float(header[f"JPSFY{n:02d}"]) - 1 for n in range(1, int(header["NYPSFS"]) + 1)]
    positions = np.array([(row, column) for row in rows for column in columns])
    return _on_grid(values, positions, STDPSF_OVERSAMPLING)


def _psfex(header: Any, values: Array) -> PsfGrid:
    axes, degree = int(header.get("POLNAXIS", 0)), int(header.get("POLDEG1", 0))
    if axes not in (0, 2):
        raise KernelError(
            f"the PSF is a polynomial of {axes} variables; only one of the position, or a constant "
            "PSF, is a field over the image."
        )
    step = float(header["PSF_SAMP"])
    if not axes or not degree:
        return _on_grid(values[:1], np.zeros((1, 2)), 1 / step)
    names = [str(header.get(f"POLNAME{axis}", "")) for axis in (1, 2)]
    if not names[0].startswith("X") or not names[1].startswith("Y"):
        raise KernelError(f"the PSF is a polynomial of {names}, not of X and Y in the image.")
    count = GRID[min(degree, len(GRID) - 1)]
    unit = np.linspace(-0.5, 0.5, count)
    powers = [(i, j) for j in range(degree + 1) for i in range(degree + 1 - j)]
    if len(powers) != len(values):
        raise KernelError(f"degree {degree} takes {len(powers)} terms, not {len(values)}.")
    grid = [(y, x) for y in unit for x in unit]
    stack = np.array(
        [sum(x**i * y**j * c for (i, j), c in zip(powers, values, strict=True)) for y, x in grid]
    )
    scale, zero = (
        [float(header[f"POL{key}{axis}"]) for axis in (2, 1)] for key in ("SCAL", "ZERO")
    )
    return _on_grid(stack, np.array(grid) * scale + zero - 1, 1 / step)


def _on_grid(stack: Array, positions: Array, oversampling: float) -> PsfGrid:
    """Return PSFs sampled at the pixels, which have `oversampling` samples each along an axis."""
    if stack.ndim != 3 or len(stack) != len(positions) or oversampling <= 0:
        raise KernelError(f"{len(positions)} positions for samples of shape {stack.shape}.")
    from scipy.ndimage import map_coordinates

    axes = []
    for extent in stack.shape[1:]:
        half_width = int((extent - 1) / 2 / oversampling)
        axes.append((extent - 1) / 2 + oversampling * np.arange(-half_width, half_width + 1))
    at = np.meshgrid(*axes, indexing="ij")
    values = np.array([map_coordinates(psf, at, order=3, mode="nearest") for psf in stack])
    return PsfGrid(np.clip(values, 0, None), positions)
