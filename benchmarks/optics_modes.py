"""PSFs of each type of microscope against products of fields of two published packages.

    python benchmarks/optics_modes.py

computes widefield, confocal, light-sheet and two-photon PSFs from the intensities of psf-generator
0.1.0 (MIT, EPFL) and of pyotf 0.0.3 (Apache-2.0) at the wavelengths of emission and excitation, and
prints the largest difference of `unblur.numerics.optics.microscope_kernel` over the whole volume,
odd and even in extent, as a fraction of the peak. It needs psf-generator, zernikepy, pyotf,
dphtools and matplotlib. Profiles are written to `tests/core/numerics/optics_modes.json`, which
`tests/core/numerics/test_optics_modes.py` compares too.

Scalar and vectorial models are the same in all three: an aplanatic pupil of uniform emission, which
pyotf has with the condition "none" when scalar, since it integrates over the directions' sines and
not over their angles, and with "sine" and all components when vectorial. pyotf transforms a pupil
of whole samples by FFT, so that its aperture is rounded to the reciprocal of the field of view: the
differences in widefield are printed for several extents of its grid. The pinhole is a disk: on a
grid of a quarter of the pixels for psf-generator, by the Fourier transform of a disk for pyotf. The
confocal microscope that pyotf has itself, whose pinhole is a disk of whole samples, is compared as
well, on a grid of a third of the pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import j1

from unblur.numerics.optics import Beam, Microscope, microscope_kernel

Array = NDArray[np.float64]

TARGET = Path(__file__).parents[1] / "tests" / "core" / "numerics" / "optics_modes.json"

PIXEL, STEP, COUNT, PLANES = 0.05, 0.165, 33, 11
"""Pixel size and distance of planes in µm, and largest extents in pixels."""

FINE = 4
"""Samples of psf-generator per pixel."""

GRID = 512
"""Extent of pyotf's grid in pixels, whose reciprocal is the distance of samples of its pupil."""

OVERSAMPLING = 3
"""Samples of pyotf's confocal microscope per pixel, odd."""

NA, INDEX, EMISSION, EXCITATION, PINHOLE, SHEET = 1.2, 1.33, 0.52, 0.488, 1.0, 1.5
"""Aperture, refractive index, wavelengths in µm, pinhole in Airy units, thickness in µm."""

KINDS = ("widefield", "confocal", "light-sheet", "two-photon")

RADIUS = PINHOLE * 1.22 * EMISSION / NA / 2
"""Radius of the pinhole in the sample, µm."""


@cache
def psf_generator_intensity(wavelength: float, is_vectorial: bool, half: int) -> Array:
    """Return the intensity (PLANES, 2 half + 1, 2 half + 1) on the fine grid, peak 1."""
    from psf_generator.propagators import ScalarSphericalPropagator, VectorialSphericalPropagator

    count = 2 * half + 1
    options: dict[str, Any] = {
        "n_pix_pupil": 1025,
        "n_pix_psf": count,
        "wavelength": 1e3 * wavelength,
        "na": NA,
        # The package divides its field of view, and its range of defocus, into one sample less.
        "pix_size": 1e3 * PIXEL / FINE * (count - 1) / count,
        "defocus_step": 1e3 * STEP * (PLANES - 1) / PLANES,
        "n_defocus": PLANES,
        "n_i": INDEX,
        "n_i0": INDEX,
    }
    if is_vectorial:
        made = VectorialSphericalPropagator(e0x=1.0, e0y=1.0j, apod_factor=True, **options)
    else:
        made = ScalarSphericalPropagator(cos_factor=True, **options)
    span = 1e-3 * (float(made.defocus_max) - float(made.defocus_min))
    assert abs(span - (PLANES - 1) * STEP) < 1e-6, "another distance of planes"
    assert abs(1e-3 * float(made.fov) / (count - 1) - PIXEL / FINE) < 1e-6, "another pixel size"
    values = made.compute_focus_field().abs().pow(2).sum(1).double().numpy()
    return np.asarray(values / values.max())


def psf_generator_psf(kind: str, is_vectorial: bool) -> Array:
    """Return the PSF (PLANES, COUNT, COUNT) of psf-generator, peak 1."""
    inner, radius = COUNT // 2 * FINE, RADIUS / (PIXEL / FINE)
    reach = int(np.ceil(radius)) + 1
    half = inner + reach if kind == "confocal" else inner
    cut = (slice(None), *[slice(half - inner, half + inner + 1, FINE)] * 2)
    at = (np.arange((2 * reach + 1) * 8) + 0.5) / 8 - 0.5 - reach
    disk = (np.hypot(at[:, None], at) <= radius).reshape(2 * reach + 1, 8, -1, 8).mean((1, 3))
    values = product(
        kind,
        lambda wavelength: psf_generator_intensity(wavelength, is_vectorial, half),
        lambda detected: np.stack([fftconvolve(plane, disk, "same") for plane in detected]),
    )[cut]
    return np.asarray(values / values.max())


@cache
def pyotf_intensity(wavelength: float, is_vectorial: bool, grid: int) -> Array:
    """Return the intensity (PLANES, grid, grid) of pyotf in pixels, peak 1."""
    from pyotf.otf import HanserPSF

    focus = (np.arange(PLANES) - PLANES // 2) * STEP
    model = {"vec_corr": "total", "condition": "sine"} if is_vectorial else {"condition": "none"}
    options = (1e3 * wavelength, NA, INDEX, 1e3 * PIXEL, grid)
    planes = [HanserPSF(*options, zrange=np.array([1e3 * z]), **model).PSFi[0] for z in focus]
    values = np.stack(planes)
    return np.asarray(values / values.max())


def pyotf_psf(kind: str, is_vectorial: bool, grid: int = GRID) -> Array:
    """Return the PSF (PLANES, COUNT, COUNT) of pyotf, peak 1."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(grid, PIXEL)] * 2))
    argument = 2 * np.pi * RADIUS * frequency
    argument[0, 0] = 1.0
    disk = 2 * j1(argument) / argument
    disk[0, 0] = 1.0
    values = product(
        kind,
        lambda wavelength: pyotf_intensity(wavelength, is_vectorial, grid),
        lambda detected: np.fft.ifft2(np.fft.fft2(detected) * disk).real,
    )
    inner = slice(grid // 2 - COUNT // 2, grid // 2 + COUNT // 2 + 1)
    values = values[:, inner, inner]
    return np.asarray(values / values.max())


def pyotf_confocal(is_vectorial: bool) -> Array:
    """Return the confocal PSF (PLANES, COUNT, COUNT) of pyotf's own microscope, peak 1."""
    from pyotf.microscope import ConfocalMicroscope

    model = {"vec_corr": "total", "condition": "sine"} if is_vectorial else {"condition": "none"}
    extent = GRID // OVERSAMPLING // 2 * 2 + 1
    made = ConfocalMicroscope(
        model="hanser", na=NA, ni=INDEX, wl=1e3 * EMISSION, wl_exc=1e3 * EXCITATION, size=extent,
        pixel_size=1e3 * PIXEL, zres=1e3 * STEP, zsize=PLANES + 1, pinhole_size=PINHOLE,
        oversample_factor=OVERSAMPLING, **model,
    )  # fmt: skip
    # The focus is at index (n + 1) // 2 along Z and at n // 2 along Y and X.
    values = np.asarray(made.model_psf)[1:]
    middle, reach = values.shape[-1] // 2, COUNT // 2 * OVERSAMPLING
    cut = slice(middle - reach, middle + reach + 1, OVERSAMPLING)
    values = values[:, cut, cut]
    return np.asarray(values / values.max())


def product(
    kind: str, intensity: Callable[[float], Array], through_pinhole: Callable[[Array], Array]
) -> Array:
    """Return the PSF of a type of microscope from intensities by wavelength."""
    if kind == "two-photon":
        return np.asarray(intensity(EXCITATION) ** 2)
    if kind == "confocal":
        return np.asarray(through_pinhole(intensity(EMISSION)) * intensity(EXCITATION))
    if kind == "light-sheet":
        z = (np.arange(PLANES) - PLANES // 2) * STEP
        sheet = np.exp(-4 * np.log(2) * (z / SHEET) ** 2)[:, None, None]
        return np.asarray(intensity(EMISSION) * sheet)
    return intensity(EMISSION)


def own_psf(kind: str, is_vectorial: bool, planes: int, size: int) -> Array:
    """Return the PSF of this package, (planes, size, size), peak 1."""
    emission, excitation = (
        Beam(wavelength, NA, INDEX, INDEX, is_vectorial=is_vectorial)
        for wavelength in (EMISSION, EXCITATION)
    )
    microscope = Microscope(kind, emission, excitation, PINHOLE, SHEET)  # type: ignore[arg-type]
    made = microscope_kernel(microscope, PIXEL, STEP, size=size, planes=planes, integrated=False)
    values = made.weights.astype(float)
    return np.asarray(values / values.max())


def difference(reference: Array, kind: str, is_vectorial: bool) -> str:
    """Return the largest difference over the volume, odd and even in extent, in words."""
    errors = []
    for planes, size in ((PLANES, COUNT), (PLANES - 1, COUNT - 1)):
        own = own_psf(kind, is_vectorial, planes, size)
        # The centre is at n // 2, so that an even extent lacks the last sample.
        errors.append(float(np.abs(own - reference[:planes, :size, :size]).max()))
    return f"{100 * errors[0]:.3f} % of the peak, even extents {100 * errors[1]:.3f} %"


def main() -> None:
    profiles = []
    packages = {"psf-generator 0.1.0": psf_generator_psf, "pyotf 0.0.3": pyotf_psf}
    for is_vectorial in (False, True):
        name = "vectorial" if is_vectorial else "scalar"
        for kind in KINDS:
            for package, make in packages.items():
                reference = make(kind, is_vectorial)
                print(f"{package}, {kind}, {name}: {difference(reference, kind, is_vectorial)}",
                      flush=True)  # fmt: skip
                half, middle = COUNT // 2, PLANES // 2
                profiles.append(
                    {
                        "package": package,
                        "kind": kind,
                        "is_vectorial": is_vectorial,
                        "lateral": reference[middle, half].round(5).tolist(),
                        "defocused": reference[middle - 3, half].round(5).tolist(),
                        "axial": reference[:, half, half].round(5).tolist(),
                    }
                )
        own_confocal = difference(pyotf_confocal(is_vectorial), "confocal", is_vectorial)
        print(f"pyotf 0.0.3, its confocal microscope, {name}: {own_confocal}", flush=True)
        for grid in (128, 256, GRID, 2 * GRID):
            reference = pyotf_psf("widefield", is_vectorial, grid)
            print(f"pyotf 0.0.3, widefield, {name}, grid of {grid}: "
                  f"{difference(reference, 'widefield', is_vectorial)}", flush=True)  # fmt: skip
    optics = {"pixel": PIXEL, "step": STEP, "na": NA, "index": INDEX, "emission": EMISSION,
              "excitation": EXCITATION, "pinhole": PINHOLE, "sheet": SHEET}  # fmt: skip
    TARGET.write_text(json.dumps({"optics": optics, "profiles": profiles}) + "\n", "utf-8")


if __name__ == "__main__":
    main()
