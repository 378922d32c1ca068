"""The parameters of optics that are fitted: where they are searched, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from unblur.errors import UsageError
from unblur.numerics.optics import Beam
from unblur.numerics.optics.optical_params import OpticalParams
from unblur_classic.optics.line_search import SearchedParameter
from unblur_classic.optics.parameter_fit import MAX_DEVIATIONS, FittedParameter

FittedName = Literal["spherical", "na", "depth_um", "sample_index"]

SPHERICAL_STEP, SPHERICAL_LIMIT, SPHERICAL_RANGE = 0.1, 0.08, 0.6
"""Step of the search for the spherical aberration, largest standard deviation of one that counts
as determined, and largest change from the initial value: root mean square in wavelengths. Those of
depth and refractive index are the changes with as much spherical aberration."""

NA_STEP, NA_LIMIT, NA_RANGE = 0.05, 0.03, 0.25
"""The same of the numerical aperture, as fractions of the initial value, dimensionless."""

LARGEST_NA = 0.99
"""Largest numerical aperture, as a fraction of the refractive index of the immersion."""

INDEX_BOUNDS = (1.0, 2.5)
"""Smallest and largest refractive index of a sample, dimensionless."""

SMALLEST_MISMATCH = 1e-5
"""Smallest change of the spherical aberration with depth or index that counts, wavelengths per µm
or per unit of the index."""

WORDS = {
    "spherical": ("spherical aberration", " wavelengths"),
    "na": ("numerical aperture", ""),
    "depth_um": ("depth", " µm"),
    "sample_index": ("refractive index of the sample", ""),
}
"""What each fitted value is called, and its unit."""


def searched_parameter(name: str, params: OpticalParams, beam: Beam) -> SearchedParameter:
    """Return where a parameter is searched, from the optics that params and metadata state.

    Raises
    ------
    UsageError
        If the PSF does not depend on it: on the depth where the sample has the index of the
        immersion, or on the index of the sample at the coverslip.
    """
    if name == "na":
        high = min((1 + NA_RANGE) * beam.na, LARGEST_NA * beam.immersion_index)
        bounds = (1 - NA_RANGE) * beam.na, high
        return SearchedParameter(name, beam.na, NA_STEP * beam.na, bounds, NA_LIMIT * beam.na)
    unit, start, lowest, highest = 1.0, params.spherical, -np.inf, np.inf
    if name == "depth_um":
        start, lowest = beam.depth, 0.0
        unit = abs(spherical_of_mismatch(replace(beam, depth=1.0)))
        remedy = "a sample of the immersion's index; state kernel.sample_index"
    elif name == "sample_index":
        start, (lowest, highest) = beam.sample_index, INDEX_BOUNDS
        near = [spherical_of_mismatch(replace(beam, sample_index=start + d)) for d in (-1e-3, 1e-3)]
        unit = abs(near[1] - near[0]) / 2e-3
        remedy = "a sample at the coverslip; state kernel.depth_um"
    if unit < SMALLEST_MISMATCH:
        raise UsageError(
            f"kernel 'fitted-optics': expected optics whose PSF depends on {name}, got {remedy}, "
            f"or leave {name} out of kernel.fit."
        )
    step, limit, reach = (v / unit for v in (SPHERICAL_STEP, SPHERICAL_LIMIT, SPHERICAL_RANGE))
    bounds = max(start - reach, lowest), min(start + reach, highest)
    return SearchedParameter(name, start, step, bounds, limit)


def spherical_of_mismatch(beam: Beam) -> float:
    """Return the primary spherical aberration by the index of the sample, wavelengths rms.

    It is the coefficient of the Zernike polynomial in the least-squares fit to the optical path of
    `focal_intensity`, beside a constant and a displacement of the objective.

    Example
    -------
    >>> round(spherical_of_mismatch(Beam(0.52, 1.2, 1.333, 1.38, depth=10.0)), 3)
    0.048
    >>> round(spherical_of_mismatch(Beam(0.52, 1.2, 1.333, 1.333, depth=10.0)), 9)
    0.0
    """
    n, s = beam.immersion_index, beam.sample_index
    rho2 = (np.arange(200) + 0.5) / 200
    sine2 = rho2 * (beam.na / n) ** 2
    cosine = np.sqrt(1 - sine2)
    inner_cosine = np.sqrt(np.maximum(1 - (n / s) ** 2 * sine2, 0))
    path = beam.depth * (s * inner_cosine - n**2 / s * cosine) / beam.wavelength
    zernike = np.sqrt(5) * (6 * rho2**2 - 6 * rho2 + 1)
    terms = np.stack([zernike, cosine, np.ones_like(cosine)], 1)
    return float(np.linalg.lstsq(terms, path, rcond=None)[0][0])


def describe_fit(fitted: FittedParameter, start: float, unit: str) -> str:
    """Return a fitted value, its deviation, whether it is determined and differs from the optics'.

    A value may be determined well and yet be that of the optics.

    Example
    -------
    >>> describe_fit(FittedParameter(0.0831, 0.02, 0.05, True), 0.0, " wavelengths")
    '0.083 ± 0.020 wavelengths, determined: yes; that of the optics, 0, is 4.2 deviations away'
    >>> describe_fit(FittedParameter(0.049, 0.036, 0.08, True), 0.0, " wavelengths")
    '0.049 ± 0.036 wavelengths, determined: yes; that of the optics, 0, lies within 2 deviations'
    """
    spread = fitted.standard_deviation
    answer = "yes" if fitted.is_determined else "no"
    answer += "" if fitted.is_used else ", that of the optics is used"
    if spread == float("inf"):
        return f"{fitted.value:.3f}{unit}, deviation unknown, determined: {answer} ({start:.3g})"
    distance = abs(fitted.value - start) / max(spread, 1e-12)
    place = (
        f"lies within {MAX_DEVIATIONS:g} deviations"
        if not fitted.differs_from(start)
        else f"is {distance:.1f} deviations away"
    )
    return (
        f"{fitted.value:.3f} ± {spread:.3f}{unit}, determined: {answer}; that of the optics, "
        f"{start:.3g}, {place}"
    )
