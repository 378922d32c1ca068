"""The PSF of points of light as photutils builds it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unblur.errors import UsageError
from unblur_classic.point_sources.detection import Array, Sky


def epsf(sky: Sky, places: NDArray[np.int_], half: Sequence[int]) -> Array:
    """Return the PSF of points by photutils' ePSF builder, sampled at the image's pixels.

    Raises
    ------
    UsageError
        If photutils is missing or the image is a volume.
    """
    if sky.values.ndim != 2:
        raise UsageError("kernel 'points': method epsf is for 2-D images; use method stack.")
    try:
        from astropy.nddata import NDData
        from astropy.table import Table
        from photutils.psf import EPSFBuilder, extract_stars
    except ImportError:
        raise UsageError(
            "kernel 'points': method epsf needs photutils; install unblur[astro], or use "
            "method stack."
        ) from None
    table = Table({"x": places[:, 1].astype(float), "y": places[:, 0].astype(float)})
    extent = tuple(2 * h + 1 for h in half)
    cutouts = extract_stars(NDData(sky.values), table, size=extent)
    built, _ = EPSFBuilder(oversampling=2, maxiters=10, progress_bar=False)(cutouts)
    rows, columns = np.mgrid[: extent[0], : extent[1]]
    psf = built.evaluate(columns, rows, 1.0, half[1], half[0])
    return np.asarray(psf, np.float64) / float(psf.sum())
