"""The PSF of a microscope: widefield, confocal, light sheet or two-photon, in voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unblur.errors import KernelError
from unblur.model.kernel import Kernel
from unblur.numerics.optics.diffraction import Beam, best_focus, focal_intensity
from unblur.numerics.optics.voxels import PixelAverage, centred_positions

Array = NDArray[np.float64]

MicroscopeType = Literal["widefield", "confocal", "light-sheet", "two-photon"]

RADII_PER_CELL = 10
"""Number of radii at which the PSF is computed per half period of its finest structure,
dimensionless. Cubic interpolation between them is exact to 1e-5 of the peak."""

KEPT = 0.99
"""Share of the light along each axis that an extent chosen by itself holds, dimensionless."""

LARGEST, MOST_PLANES = 129, 65
"""Largest extent of a plane in pixels, and largest number of planes, chosen by itself."""

DISK_PARTS = 8
"""Number of parts of each ring over which the edge of a pinhole is averaged, dimensionless."""

MAX_SAMPLES = 2**26
"""Largest number of samples of a PSF."""


@dataclass(frozen=True)
class Microscope:
    """How a microscope forms an image.

    Parameters
    ----------
    kind : {"widefield", "confocal", "light-sheet", "two-photon"}
        Type of the microscope.
    emission : Beam, optional
        The emitted light; not needed for two-photon microscopes.
    excitation : Beam, optional
        The illumination that the objective focuses, of confocal and two-photon microscopes.
    pinhole : float
        Diameter of the pinhole of a confocal microscope in Airy units, `1.22 wavelength / NA` of
        the emission.
    sheet : float
        Thickness of a light sheet, full width at half maximum, µm.

    Raises
    ------
    KernelError
        If a beam that the type needs is missing, or a size is not positive.
    """

    kind: MicroscopeType
    emission: Beam | None = None
    excitation: Beam | None = None
    pinhole: float = 1.0
    sheet: float = 0.0

    def __post_init__(self) -> None:
        if self.kind != "two-photon" and self.emission is None:
            raise KernelError(f"the PSF of a {self.kind} microscope needs the emitted light.")
        if self.kind in ("confocal", "two-photon") and self.excitation is None:
            raise KernelError(f"the PSF of a {self.kind} microscope needs the illumination.")
        if self.kind == "light-sheet" and not self.sheet > 0:
            raise KernelError(f"the thickness of a light sheet is positive, got {self.sheet} µm.")
        if self.kind == "confocal" and not self.pinhole > 0:
            raise KernelError(f"a pinhole has a positive diameter, got {self.pinhole} Airy units.")

    @property
    def beams(self) -> tuple[Beam, ...]:
        """The beams that contribute."""
        emission = None if self.kind == "two-photon" else self.emission
        excitation = self.excitation if self.kind in ("confocal", "two-photon") else None
        return tuple(beam for beam in (emission, excitation) if beam is not None)

    @property
    def focus(self) -> float:
        """Displacement of the objective at best focus, µm; see `focal_intensity`."""
        return best_focus(self.beams[-1])

    def intensity(self, radius: Array, focus: Array) -> Array:
        """Return the PSF, up to a factor, at (R,) radii and (Z,) displacements in µm: (R, Z).

        `radius` is an even grid from 0, with which the convolution by a pinhole is computed.
        """
        if self.kind == "two-photon":
            assert self.excitation is not None
            return np.asarray(focal_intensity(self.excitation, radius, focus) ** 2)
        assert self.emission is not None
        if self.kind == "confocal":
            assert self.excitation is not None
            detected = _through_pinhole(self.emission, self.pinhole, radius, focus)
            return np.asarray(focal_intensity(self.excitation, radius, focus) * detected)
        emitted = focal_intensity(self.emission, radius, focus)
        if self.kind == "light-sheet":
            emitted = emitted * np.exp(-4 * np.log(2) * ((focus - self.focus) / self.sheet) ** 2)
        return emitted


def microscope_kernel(
    microscope: Microscope,
    pixel: float,
    step: float | None = None,
    *,
    size: int | None = None,
    planes: int | None = None,
    max_shape: tuple[int, ...] | None = None,
    towards_coverslip: bool = False,
    integrated: bool = True,
) -> Kernel:
    """Return the PSF of a microscope in its voxels, centred on best focus.

    Parameters
    ----------
    microscope : Microscope
        Type and optics.
    pixel : float
        Pixel size in the sample along Y and X, µm.
    step : float, optional
        Distance between planes, a displacement of the objective or stage, µm; without it the
        PSF is that of the plane in focus, in 2-D.
    size, planes : int, optional
        Extent of a plane in pixels, and number of planes, odd or even. By default they hold 99 %
        of the light along each axis, within `max_shape`, 129 pixels and 65 planes.
    max_shape : tuple of int, optional
        Extents of the image, which those chosen by default do not exceed.
    towards_coverslip : bool
        Whether the planes follow one another towards the coverslip rather than away from it; it
        matters for a PSF with spherical aberration.
    integrated : bool
        Whether the intensity is integrated over each voxel, rather than sampled at its centre.

    Returns
    -------
    Kernel
        (planes, size, size) or (size, size), of sum 1, its centre at index `n // 2`, with its
        pixel size in µm.

    Raises
    ------
    KernelError
        If a size is not positive, or the PSF would have more than 2**26 samples.

    Example
    -------
    >>> oil = Beam(0.52, 1.4, 1.518, 1.518)
    >>> microscope_kernel(Microscope("widefield", oil), 0.1, 0.2, size=16, planes=9).shape
    (9, 16, 16)
    """
    for what, value in (("pixel size", pixel), ("distance between planes", step)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise KernelError(f"the {what} is finite and positive, got {value} µm.")
    is_flat = step is None
    shape = _shape(size, planes, max_shape, is_flat)
    beams = microscope.beams
    cell = min(beam.cell for beam in beams) / (2 if microscope.kind != "widefield" else 1)
    average = PixelAverage.of(shape[-1], pixel, cell, RADII_PER_CELL, integrated=integrated)
    centre = microscope.focus
    if step is None:
        values = average(microscope.intensity(average.radius, np.array([centre])))
    else:
        axial = min(beam.axial_cell for beam in beams)
        offsets, weights = _axial_nodes(step, axial if integrated else np.inf)
        at = centred_positions(shape[0], step)
        at = -at if towards_coverslip else at
        focus = centre + (at[:, None] + offsets).ravel()
        intensity = microscope.intensity(average.radius, focus)
        planar = intensity.reshape(len(average.radius), shape[0], len(offsets)) @ weights
        values = average(planar)
    chosen = (planes if not is_flat else 1, size, size)
    values = _held(values, [n is None for n in chosen])
    sizes = {"Z": step or 0.0, "Y": pixel, "X": pixel}
    if is_flat:
        values = values[0]
        del sizes["Z"]
    return Kernel(values.astype(np.float64), sizes, dict.fromkeys(sizes, "µm"))


def _shape(
    size: int | None, planes: int | None, limit: tuple[int, ...] | None, is_flat: bool
) -> tuple[int, int]:
    """Return the number of planes and the extent of a plane that are computed."""
    most, largest = MOST_PLANES, LARGEST
    if limit is not None:
        largest = min(largest, *(n - 1 + n % 2 for n in limit[-2:]))
        if len(limit) == 3:
            most = min(most, limit[0] - 1 + limit[0] % 2)
    shape = (1 if is_flat else planes or most, size or largest)
    if min(shape) < 1 or shape[0] * shape[1] ** 2 > MAX_SAMPLES:
        raise KernelError(f"a PSF of {shape[0]} planes of {shape[1]} pixels cannot be computed.")
    return shape


def _axial_nodes(step: float, cell: float) -> tuple[Array, Array]:
    """Return the offsets within a step, and their weights, over which a plane is averaged."""
    count = 1 if not np.isfinite(cell) else 2 + int(2 * step / cell)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes * step / 2, weights / 2


def _held(values: Array, is_chosen: list[bool]) -> Array:
    """Crop the axes of odd extent that are chosen to hold `KEPT` of the light, about the centre."""
    slices = []
    for axis, (count, chosen) in enumerate(zip(values.shape, is_chosen, strict=True)):
        if not chosen:
            slices.append(slice(None))
            continue
        marginal = values.sum(axis=tuple(a for a in range(values.ndim) if a != axis))
        middle = count // 2
        pairs = marginal[middle + 1 :] + marginal[:middle][::-1]
        held = np.cumsum(np.concatenate([marginal[[middle]], pairs])) / marginal.sum()
        half = int(np.searchsorted(held, KEPT))
        half = min(half, middle)
        slices.append(slice(middle - half, middle + half + 1))
    return values[tuple(slices)]


def _through_pinhole(beam: Beam, pinhole: float, radius: Array, focus: Array) -> Array:
    """Return the intensity of a point's image, integrated over a pinhole at each distance.

    The integral of a radial function over a disk of radius `a` at the distance `r` is
    `int f(s) 2 angle(r, s) s ds`, where the circle of radius `s` lies in the disk within `angle`.
    """
    a = pinhole * 1.22 * beam.wavelength / beam.na / 2
    spacing = radius[1] - radius[0]
    if a < spacing / 2:
        return focal_intensity(beam, radius, focus)  # a point
    step = min(spacing, a / 4)
    count = int(np.ceil((radius[-1] + a) / step)) + 1
    s = (np.arange(count) + 0.5) * step
    emitted = focal_intensity(beam, s, focus)
    r = radius[:, None]
    angle = np.zeros((len(radius), count))
    for part in (np.arange(DISK_PARTS) + 0.5) / DISK_PARTS - 0.5:
        at = s + part * step
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = (r**2 + at**2 - a**2) / (2 * r * at)
        cosine = np.where(r == 0, np.where(at <= a, -1.0, 1.0), cosine)
        angle += np.arccos(np.clip(cosine, -1, 1)) / DISK_PARTS
    return np.asarray((2 * angle * s * step) @ emitted)
