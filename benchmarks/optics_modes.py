"""PSFs of each type of microscope against products of fields of a published package.

    python benchmarks/optics_modes.py

computes widefield, confocal, light-sheet and two-photon PSFs from the intensities of psf-generator
0.1.0 (MIT, EPFL) at the wavelengths of emission and excitation, and prints the largest difference
of `unblur.numerics.optics.microscope_kernel` over the whole volume, odd and even in extent, as a
fraction of the peak. The pinhole is a disk by which the emission is convolved on a grid of a
quarter of the pixels. Profiles are written to `tests/core/numerics/optics_modes.json`, which
`tests/core/numerics/test_optics_modes.py` compares too. It needs psf-generator and zernikepy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from unblur.numerics.optics import Beam, Microscope, microscope_kernel

Array = NDArray[np.float64]

TARGET = Path(__file__).parents[1] / "tests" / "core" / "numerics" / "optics_modes.json"

PIXEL, STEP, COUNT, PLANES = 0.05, 0.165, 33, 11
"""Pixel size and distance of planes in µm, and largest extents in pixels."""

FINE = 4
"""Samples of the reference per pixel."""

NA, INDEX, EMISSION, EXCITATION, PINHOLE, SHEET = 1.2, 1.33, 0.52, 0.488, 1.0, 1.5
"""Aperture, refractive index, wavelengths in µm, pinhole in Airy units, thickness in µm."""

KINDS = ("widefield", "confocal", "light-sheet", "two-photon")


def reference_intensity(wavelength: float, is_vectorial: bool, half: int) -> Array:
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


def reference_psf(kind: str, is_vectorial: bool) -> Array:
    """Return the PSF (PLANES, COUNT, COUNT), peak 1."""
    inner = COUNT // 2 * FINE
    radius = PINHOLE * 1.22 * EMISSION / NA / 2 / (PIXEL / FINE)
    half = inner + int(np.ceil(radius)) + 1 if kind == "confocal" else inner
    cut = (slice(None), *[slice(half - inner, half + inner + 1, FINE)] * 2)
    if kind == "two-photon":
        values = reference_intensity(EXCITATION, is_vectorial, half) ** 2
    else:
        values = reference_intensity(EMISSION, is_vectorial, half)
    if kind == "light-sheet":
        z = (np.arange(PLANES) - PLANES // 2) * STEP
        values = values * np.exp(-4 * np.log(2) * (z / SHEET) ** 2)[:, None, None]
    if kind == "confocal":
        reach = int(np.ceil(radius)) + 1
        at = (np.arange((2 * reach + 1) * 8) + 0.5) / 8 - 0.5 - reach
        disk = (np.hypot(at[:, None], at) <= radius).reshape(2 * reach + 1, 8, -1, 8).mean((1, 3))
        detected = np.stack([fftconvolve(plane, disk, "same") for plane in values])
        values = detected * reference_intensity(EXCITATION, is_vectorial, half)
    values = values[cut]
    return np.asarray(values / values.max())


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


def main() -> None:
    profiles = []
    for kind in KINDS:
        for is_vectorial in (False, True):
            reference = reference_psf(kind, is_vectorial)
            errors = []
            for planes, size in ((PLANES, COUNT), (PLANES - 1, COUNT - 1)):
                own = own_psf(kind, is_vectorial, planes, size)
                # The centre is at n // 2, so that an even extent lacks the last sample.
                errors.append(float(np.abs(own - reference[:planes, :size, :size]).max()))
            name = "vectorial" if is_vectorial else "scalar"
            print(
                f"{kind}, {name}: {100 * errors[0]:.3f} % of the peak, even extents "
                f"{100 * errors[1]:.3f} %",
                flush=True,
            )
            half, middle = COUNT // 2, PLANES // 2
            profiles.append(
                {
                    "kind": kind,
                    "is_vectorial": is_vectorial,
                    "lateral": reference[middle, half].round(5).tolist(),
                    "defocused": reference[middle - 3, half].round(5).tolist(),
                    "axial": reference[:, half, half].round(5).tolist(),
                }
            )
    optics = {"pixel": PIXEL, "step": STEP, "na": NA, "index": INDEX, "emission": EMISSION,
              "excitation": EXCITATION, "pinhole": PINHOLE, "sheet": SHEET}  # fmt: skip
    TARGET.write_text(json.dumps({"optics": optics, "profiles": profiles}) + "\n", "utf-8")


if __name__ == "__main__":
    main()
