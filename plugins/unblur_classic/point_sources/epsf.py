"""Effective PSF (ePSF) of point sources, built by photutils."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unblur.errors import UsageError
from unblur_classic.point_sources.detection import Array, BackgroundSubtracted


def photutils_epsf(
    image: BackgroundSubtracted, positions: NDArray[np.int_], half_width: Sequence[int]
) -> Array:
    """Return the PSF of point sources by photutils' `EPSFBuilder`, sampled at the image's pixels.

    Parameters
    ----------
    image : BackgroundSubtracted
        2-D image.
    positions : (N, 2) int
        Centres of the points, (row, column), in pixels.
    half_width : sequence of int
        Half-width of the window around each point, per axis, in pixels.

    Returns
    -------
    (2 half_width[0] + 1, 2 half_width[1] + 1)
        PSF of sum 1.

    Raises
    ------
    UsageError
        If photutils is missing or the image is a volume.
    """
    if image.values.ndim != 2:
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
    table = Table({"x": positions[:, 1].astype(float), "y": positions[:, 0].astype(float)})
    shape = tuple(2 * h + 1 for h in half_width)
    cutouts = extract_stars(NDData(image.values), table, size=shape)
    built, _ = EPSFBuilder(oversampling=2, maxiters=10, progress_bar=False)(cutouts)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    psf = built.evaluate(columns, rows, 1.0, half_width[1], half_width[0])
    return np.asarray(psf, np.float64) / float(psf.sum())
