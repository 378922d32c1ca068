"""Kernels of optics: defocus, Gaussian, and diffraction in 2-D and 3-D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from unblur.errors import KernelError
from unblur.model.kernel import Kernel


def disk_kernel(radius: float, size: int | None = None) -> Kernel:
    """Return the kernel of defocus: a disk, each pixel weighted by its covered area.

    Parameters
    ----------
    radius : float
        Radius of the circle of confusion, in pixels.
    size : int, optional
        Extent along both axes; by default the smallest odd size that contains the disk.
    """
    _positive("the radius of a disk", radius)
    half_width = int(np.ceil(radius - 0.5))
    size = _size_or_default(size, 2 * half_width + 1, is_minimum=True)
    lines = 64
    offset = (np.arange(lines * size) + 0.5) / lines - size // 2 - 0.5
    half = np.sqrt(np.clip(radius**2 - offset**2, 0, None))  # half the chord at each line
    left = np.arange(size) - size // 2 - 0.5
    covered = np.minimum(left + 1, half[:, None]) - np.maximum(left, -half[:, None])
    area = covered.clip(0).reshape(size, lines, size).mean(axis=1)
    return Kernel(area + area.T)


def gaussian_kernel(
    sigma: float | Sequence[float],
    size: int | Sequence[int] | None = None,
    *,
    angle: float = 0.0,
) -> Kernel:
    """Return a Gaussian kernel, isotropic or not, in 2-D or 3-D.

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in pixels; a sequence of two is (rows, columns), of three
        (depth, rows, columns).
    size : int or sequence of int, optional
        Extent along all axes or each; by default 4 standard deviations to each side.
    angle : float
        In 2-D, counter-clockwise rotation of the Gaussian in the displayed image, in degrees.

    Example
    -------
    >>> gaussian_kernel((1, 2, 2)).shape
    (9, 17, 17)
    """
    deviations = np.atleast_1d(np.asarray(sigma, np.float64))
    if deviations.size == 1:
        deviations = np.repeat(deviations, 2)
    if deviations.size not in (2, 3):
        raise KernelError(f"a Gaussian kernel has 2 or 3 axes, got sigma {sigma}.")
    if angle and deviations.size != 2:
        raise KernelError("only a Gaussian kernel of 2 axes can be rotated by an angle.")
    for deviation in deviations:
        _positive("the sigma of a Gaussian", deviation)
    axes = np.eye(deviations.size)
    if angle:
        cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        axes = np.array([[cosine, -sine], [sine, cosine]])
    spread = np.sqrt((axes**2) @ deviations**2)
    sizes = [2 * int(np.ceil(4 * s)) + 1 for s in spread]
    if size is not None:
        sizes = [int(n) for n in np.broadcast_to(size, len(sizes))]
    grid = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in sizes), indexing="ij"), axis=-1)
    along = grid @ axes / deviations
    return Kernel(np.exp(-0.5 * (along**2).sum(axis=-1)))


def airy_radius(wavelength: float, aperture: float, pixel_size: float) -> float:
    """Return the radius of the first dark ring, `0.61 wavelength / aperture`, in pixels.

    Parameters
    ----------
    wavelength, pixel_size : float
        Lengths in the same unit; the pixel size is measured in the object.
    aperture : float
        Numerical aperture.
    """
    for what, value in (
        ("the wavelength", wavelength),
        ("the aperture", aperture),
        ("the pixel size", pixel_size),
    ):
        _positive(what, value)
    return _FIRST_ZERO / (2 * np.pi) * wavelength / aperture / pixel_size


def airy_kernel(radius: float, size: int | None = None) -> Kernel:
    """Return the Airy pattern `(2 J1(v) / v)^2`, averaged over each pixel: diffraction in focus.

    Parameters
    ----------
    radius : float
        Radius of the first dark ring in pixels; `airy_radius` computes it from the optics.
    size : int, optional
        Extent along both axes; by default up to the third dark ring, 94 percent of the energy.

    References
    ----------
    M. Born, E. Wolf, "Principles of optics", 7th edition, 1999, section 8.5.2.
    """
    _positive("the radius of an Airy pattern", radius)
    size = _size_or_default(size, 2 * int(np.ceil(_THIRD_ZERO / _FIRST_ZERO * radius)) + 1)
    fine = 9
    offset = (np.arange(fine * size) + 0.5) / fine - 0.5 - size // 2
    v = _FIRST_ZERO / radius * np.hypot(offset[:, None], offset)
    v[v == 0] = 1e-9
    return Kernel(
        ((2 * scipy.special.j1(v) / v) ** 2).reshape(size, fine, size, fine).mean(axis=(1, 3))
    )


def widefield_kernel(
    wavelength: float,
    aperture: float,
    pixel_size: Sequence[float],
    size: Sequence[int],
    *,
    index: float = 1.0,
) -> Kernel:
    """Return the 3-D kernel of a widefield microscope, scalar diffraction without aberrations.

    Parameters
    ----------
    wavelength : float
        Wavelength of the emitted light in vacuum.
    aperture : float
        Numerical aperture, below `index`.
    pixel_size : (depth, rows, columns)
        Sampling step in the unit of `wavelength`.
    size : (depth, rows, columns)
        Extent in pixels.
    index : float
        Refractive index of the medium.

    Notes
    -----
    `h(r, z) = |int_0^1 J0(k NA r p) exp(i k z sqrt(n^2 - NA^2 p^2)) p dp|^2` with
    `k = 2 pi / wavelength`: each zone of the pupil contributes with the phase of its angle.

    References
    ----------
    M. Born, E. Wolf, "Principles of optics", 7th edition, 1999, section 8.8.
    """
    for what, value in (("the wavelength", wavelength), ("the aperture", aperture)):
        _positive(what, value)
    if aperture >= index:
        raise KernelError(
            f"the aperture is below the refractive index, got {aperture:g} and {index:g}; "
            "name the medium's index (water 1.33, oil 1.52)."
        )
    depth, rows, columns = (
        (np.arange(n) - n // 2) * step for n, step in zip(size, pixel_size, strict=True)
    )
    radius, inverse = np.unique(np.hypot(rows[:, None], columns), return_inverse=True)
    wave = 2 * np.pi / wavelength
    zone = np.linspace(0, 1, _zones(wave, aperture, index, radius, depth))
    weight = np.full(zone.size, zone[1])
    weight[[0, -1]] /= 2
    ripple = scipy.special.j0(wave * aperture * np.outer(radius, zone)) * (zone * weight)
    phase = np.exp(1j * wave * np.outer(np.sqrt(index**2 - (aperture * zone) ** 2), depth))
    intensity = np.abs(ripple @ phase) ** 2
    return Kernel(np.moveaxis(intensity[inverse.reshape(len(rows), len(columns))], -1, 0))


def _zones(wave: float, aperture: float, index: float, radius: Any, depth: Any) -> int:
    """Return the number of pupil zones that sample the fastest oscillation 20 times per period."""
    path = index - np.sqrt(index**2 - aperture**2)
    cycles = wave * (aperture * radius.max() + path * np.abs(depth).max()) / (2 * np.pi)
    return int(20 * cycles) + 64


def _positive(what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise KernelError(f"{what} is finite and positive, got {value}.")


def _size_or_default(size: int | None, default: int, *, is_minimum: bool = False) -> int:
    """Return `size`, or `default` if it is None; with `is_minimum`, reject a smaller size."""
    if size is None:
        return default
    if size < 1 or (is_minimum and size < default):
        raise KernelError(f"this kernel needs a size of at least {default}, got {size}.")
    return size


_FIRST_ZERO, _THIRD_ZERO = 3.8317059702075125, 10.173468135062722
"""First and third positive zero of the Bessel function J1, dimensionless."""
