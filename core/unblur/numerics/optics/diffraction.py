"""Intensity near the focus of an objective: scalar and vectorial diffraction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import j0, j1

from unblur.errors import KernelError

Array = NDArray[np.float64]

NODES_PER_CYCLE = 5.0
"""Number of nodes of the pupil per period of the fastest oscillation, dimensionless.

Gauss-Legendre quadrature converges from pi nodes per period on.
"""

MIN_NODES = 48
"""Smallest number of nodes of the pupil, dimensionless."""


@dataclass(frozen=True)
class Beam:
    """Light of one wavelength between an objective and a point in the sample.

    Parameters
    ----------
    wavelength : float
        Wavelength in vacuum, µm.
    na : float
        Numerical aperture, below `immersion_index`.
    immersion_index : float
        Refractive index of the immersion medium.
    sample_index : float
        Refractive index of the sample.
    depth : float
        Distance of the point from the coverslip, µm.
    spherical : float
        Coefficient of the Zernike polynomial of primary spherical aberration,
        `sqrt(5) (6 p^4 - 6 p^2 + 1)`: its root mean square, in wavelengths.
    is_vectorial : bool
        Whether the polarisation of the light is included.

    Raises
    ------
    KernelError
        If a value is out of its range.
    """

    wavelength: float
    na: float
    immersion_index: float
    sample_index: float
    depth: float = 0.0
    spherical: float = 0.0
    is_vectorial: bool = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.wavelength) and self.wavelength > 0):
            raise KernelError(f"a wavelength is finite and positive, got {self.wavelength} µm.")
        if not 0 < self.na < self.immersion_index:
            raise KernelError(
                f"the numerical aperture is positive and below the refractive index of the "
                f"immersion, got {self.na:g} and {self.immersion_index:g}; state the medium (air "
                "1, water 1.33, glycerol 1.47, oil 1.518)."
            )

    @property
    def cell(self) -> float:
        """Half the period of the finest lateral structure, `wavelength / (4 NA)`, µm."""
        return self.wavelength / (4 * self.na)

    @property
    def axial_cell(self) -> float:
        """Half the period of the finest axial structure, µm."""
        n = self.immersion_index
        return float(self.wavelength / (2 * (n - np.sqrt(n**2 - self.na**2))))


def focal_intensity(beam: Beam, radius: Array, focus: Array) -> Array:
    """Return the intensity of a point's image, up to a factor.

    The point emits without a preferred direction, and the objective is aplanatic. By reciprocity
    the same function describes unpolarised light that the objective focuses into the sample.

    Parameters
    ----------
    beam : Beam
        Wavelength, aperture, media, depth.
    radius : (R,) array
        Distances from the axis, µm.
    focus : (Z,) array
        Displacements of the objective towards the sample, µm, from the one that brings the
        paraxial focus to the point.

    Returns
    -------
    (R, Z) float64
        Non-negative.

    Notes
    -----
    With the angles `t` in the immersion, `n sin t = s sin u`, and `k = 2 pi / wavelength`, the
    optical path is that of Gibson and Lanni for an objective used at its design conditions::

        W(t) = s d cos u - n (z + d n / s) cos t

    The scalar amplitude is `int exp(i k W) J0(k n r sin t) sin t cos t dt`: a uniform pupil, as by
    Born and Wolf. The vectorial intensity is `|I0|^2 + 2 |I1|^2 + |I2|^2` with the integrals of
    Richards and Wolf, and Fresnel's coefficients `ts`, `tp` of the interface [3]_::

        I0 = int A (ts + tp cos u) J0(..) dt,  I1 = int A tp sin u J1(..) dt
        I2 = int A (ts - tp cos u) J2(..) dt,  A = sqrt(cos t) sin t exp(i k W)

    References
    ----------
    .. [1] S. F. Gibson, F. Lanni, "Experimental test of an analytical model of aberration in an
       oil-immersion objective lens used in three-dimensional light microscopy", JOSA A 9, 1992.
    .. [2] B. Richards, E. Wolf, "Electromagnetic diffraction in optical systems II", Proc. R. Soc.
       A 253, 1959.
    .. [3] P. Török, P. Varga, "Electromagnetic diffraction of light focused through a stratified
       medium", Applied Optics 36, 1997.

    Example
    -------
    >>> beam = Beam(0.5, 0.5, 1.0, 1.0, is_vectorial=False)
    >>> dark = focal_intensity(beam, np.array([0, 0.61 * 0.5 / 0.5]), np.zeros(1))
    >>> bool(dark[1] < 1e-4 * dark[0])
    True
    """
    n, s = beam.immersion_index, beam.sample_index
    k = 2 * np.pi / beam.wavelength
    theta, weight = _pupil_nodes(beam, float(np.max(radius)), float(np.max(np.abs(focus))))
    sine, cosine = np.sin(theta), np.cos(theta)
    inner_sine = n / s * sine
    inner_cosine = np.sqrt((1 - inner_sine**2).astype(np.complex128))  # evanescent beyond 1
    rho2 = (n * sine / beam.na) ** 2
    zernike = np.sqrt(5) * (6 * rho2**2 - 6 * rho2 + 1)
    path = beam.depth * (s * inner_cosine - n**2 / s * cosine) + (
        beam.spherical * beam.wavelength * zernike
    )
    phase = np.exp(1j * k * (path[:, None] - n * np.outer(cosine, focus)))
    argument = k * n * np.outer(radius, sine)
    bessel0 = j0(argument)
    if not beam.is_vectorial:
        amplitude = (bessel0 * (weight * sine * cosine)) @ phase
        return np.asarray(np.abs(amplitude) ** 2)
    bessel1 = j1(argument)
    with np.errstate(invalid="ignore", divide="ignore"):
        bessel2 = np.where(argument > 1e-6, 2 * bessel1 / argument, 1.0) - bessel0
    across = 2 * n * cosine / (n * cosine + s * inner_cosine)
    along = 2 * n * cosine / (s * cosine + n * inner_cosine)
    pupil = weight * np.sqrt(cosine) * sine
    first = bessel0 @ ((pupil * (across + along * inner_cosine))[:, None] * phase)
    second = bessel1 @ ((pupil * along * inner_sine)[:, None] * phase)
    third = bessel2 @ ((pupil * (across - along * inner_cosine))[:, None] * phase)
    return np.asarray(np.abs(first) ** 2 + 2 * np.abs(second) ** 2 + np.abs(third) ** 2)


def best_focus(beam: Beam) -> float:
    """Return the displacement at which the intensity on the axis is largest, µm.

    Without aberrations it is 0. A sample of another index than the immersion moves it.
    """
    if beam.depth == 0 and beam.spherical == 0:
        return 0.0
    reach = 4 * beam.axial_cell * (1 + abs(beam.spherical) * 4) + beam.depth
    coarse = np.arange(-reach, reach, beam.axial_cell / 4)
    axis = np.zeros(1)
    scalar = replace(beam, is_vectorial=False)
    at = float(coarse[int(np.argmax(focal_intensity(scalar, axis, coarse)[0]))])
    step = beam.axial_cell / 4
    found = minimize_scalar(
        lambda z: -float(focal_intensity(beam, axis, np.array([z]))[0, 0]),
        bounds=(at - step, at + step),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(found.x)


def _pupil_nodes(beam: Beam, radius: float, focus: float) -> tuple[Array, Array]:
    """Return angles and weights of Gauss-Legendre quadrature over the pupil."""
    n, s = beam.immersion_index, beam.sample_index
    largest = float(np.arcsin(beam.na / n))
    span = n * (1 - np.cos(largest))
    mismatch = abs(s - n) * beam.depth * 2
    cycles = (beam.na * radius + span * focus + mismatch) / beam.wavelength
    count = MIN_NODES + int(NODES_PER_CYCLE * (cycles + 4 * abs(beam.spherical)))
    if beam.na >= s:
        count *= 2  # the transmission has a kink at the critical angle
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2 * largest, weights / 2 * largest
