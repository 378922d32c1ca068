"""Reference profiles of microscope PSFs, computed by two published packages.

    python benchmarks/optics_references.py [FILE]

writes `tests/core/numerics/optics_references.json`, which `tests/core/numerics/test_optics.py`
compares with `unblur.numerics.optics`, and prints the largest difference of each case over the
whole volume. It needs psf-generator 0.1.0 (MIT, EPFL) and pyotf 0.0.3 (Apache-2.0), and what they
import: zernikepy, dphtools and matplotlib.

psf-generator takes the sample's index for the axes where the optical path of Gibson and Lanni is
included, although its angles are those in the immersion: its radii and defocus are therefore
multiplied by the quotient of the two indices here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.numerics.optics import Beam, focal_intensity
from unblur.numerics.optics.voxels import PixelAverage

Array = NDArray[np.float64]

TARGET = Path(__file__).parents[1] / "tests" / "core" / "numerics" / "optics_references.json"

WAVELENGTH, PLANES, STEP, COUNT = 0.52, 21, 0.1, 65
"""Wavelength in µm, number of planes, their distance in µm, and extent of a plane in pixels."""

CASES = [
    {"na": 0.5, "immersion_index": 1.0, "sample_index": 1.0},
    {"na": 1.4, "immersion_index": 1.518, "sample_index": 1.518},
    {"na": 1.2, "immersion_index": 1.33, "sample_index": 1.38, "depth": 5.0},
]
"""Optics without and with a mismatch of the indices."""


def psf_generator(case: dict[str, float], is_vectorial: bool) -> tuple[Array, float, Array]:
    """Return a PSF (Z, Y, X) of psf-generator, its pixel size and displacements in µm."""
    from psf_generator.propagators import ScalarSphericalPropagator, VectorialSphericalPropagator

    n, s, depth = case["immersion_index"], case["sample_index"], case.get("depth", 0.0)
    options: dict[str, Any] = {
        "n_pix_pupil": 1025,
        "n_pix_psf": COUNT,
        "wavelength": 1e3 * WAVELENGTH,
        "na": case["na"],
        "pix_size": 50.0,
        "defocus_step": 1e3 * STEP,
        "n_defocus": PLANES,
        "n_i": n,
        "n_i0": n,
    }
    if depth:
        options |= {"gibson_lanni": True, "z_p": 1e3 * depth, "n_s": s, "n_g": n, "n_g0": n}
        options["t_i0"] = 0.0
    if is_vectorial:
        made = VectorialSphericalPropagator(e0x=1.0, e0y=1.0j, apod_factor=True, **options)
    else:
        made = ScalarSphericalPropagator(cos_factor=True, **options)
    values = made.compute_focus_field().abs().pow(2).sum(1).double().numpy()
    ratio = s / n if depth else 1.0
    pixel = 1e-3 * float(made.fov) / (COUNT - 1) * ratio
    defocus = 1e-3 * np.linspace(float(made.defocus_min), float(made.defocus_max), PLANES)
    if depth:
        return values, pixel, -defocus * ratio - 1e-3 * float(made.t_i) - depth * n / s
    return values, pixel, -defocus


def pyotf(case: dict[str, float], is_vectorial: bool) -> tuple[Array, float, Array]:
    """Return a PSF (Z, Y, X) of pyotf, its pixel size and displacements in µm."""
    from pyotf.otf import HanserPSF

    focus = (np.arange(PLANES) - PLANES // 2) * STEP
    model = {"vec_corr": "total", "condition": "sine"} if is_vectorial else {"condition": "none"}
    n = case["immersion_index"]
    made = HanserPSF(
        1e3 * WAVELENGTH, case["na"], n, 50, 512, zrange=1e3 * focus, **model
    )  # fmt: skip
    values = made.PSFi
    row, column = np.unravel_index(values[PLANES // 2].argmax(), values.shape[1:])
    half = COUNT // 2
    return values[:, row - half : row + half + 1, column - half : column + half + 1], 0.05, focus


def main(target: Path) -> None:
    """Write the profiles, and print how far this package is from them."""
    references = []
    for name, make in (("psf-generator 0.1.0", psf_generator), ("pyotf 0.0.3", pyotf)):
        for case in CASES:
            if case.get("depth") and make is pyotf:
                continue  # it has one refractive index
            for is_vectorial in (False, True):
                values, pixel, focus = make(case, is_vectorial)
                values = values / values.max()
                # psf-generator does not include the transmission of the interface.
                beam = Beam(WAVELENGTH, is_vectorial=is_vectorial, **case)
                average = PixelAverage.of(COUNT, pixel, beam.cell, 10, integrated=False)
                own = average(focal_intensity(beam, average.radius, focus))
                error = float(np.abs(own / own.max() - values).max())
                kind = "vectorial" if is_vectorial else "scalar"
                print(f"{name}, {kind}, {case}: {100 * error:.2f} % of the peak")
                half = COUNT // 2
                plane = int(values[:, half, half].argmax())
                references.append(
                    {
                        "package": name,
                        "beam": {"wavelength": WAVELENGTH, "is_vectorial": is_vectorial, **case},
                        "pixel": pixel,
                        "focus": focus.round(6).tolist(),
                        "plane": plane,
                        "lateral": values[plane, half, half:].round(5).tolist(),
                        "defocused": values[plane - 5, half, half:].round(5).tolist(),
                        "axial": values[:, half, half].round(5).tolist(),
                    }
                )
    target.write_text(json.dumps(references, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
