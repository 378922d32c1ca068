#!/usr/bin/env bash
# aotools: a Gaussian of odd extent is half a pixel off its middle; a profile leaves out the central pixel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 aotools==1.0.8
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import aotools
import numpy as np
from scipy.ndimage import convolve

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "aotools")))
print("Situation: a Gaussian PSF of 21 x 21 pixels, standard deviation 2 pixels, made by aotools.gaussian2d")
print("           without a centre, which its documentation places in the middle: of 21 pixels, index 10;")
print("           and the azimuthal average of a Gaussian whose peak, 1, is at index 10")


def centre(image):
    return [round(float((image * grid).sum() / image.sum()), 3) for grid in np.indices(image.shape)]


psf = aotools.gaussian2d(21, 2.0)
point = np.zeros((61, 61))
point[30, 30] = 1
blurred = convolve(point, psf)
peak = aotools.gaussian2d(21, 2.0, cent=(10, 10))
profile = aotools.azimuthal_average(peak)
true = np.exp(-np.arange(2) ** 2 / 8)
print(f"Expected:  PSF centred at [10, 10], a point at [30, 30] stays there; the profile begins with "
      f"{np.round(true, 3).tolist()}")
print(f"Seen:      PSF centred at {centre(psf)}, the blurred point at {centre(blurred)}; the profile begins "
      f"with {np.round(profile[:2], 3).tolist()}")
assert centre(peak) == [10, 10] and peak.max() == 1
assert np.allclose(centre(psf), 10.5, atol=1e-3), "the behaviour has changed"
assert np.allclose(centre(blurred), 30.5, atol=1e-3), "the behaviour has changed"
# The first ring is a circle of radius 1 less one of radius 0, which is the central pixel.
assert np.isclose(profile[0], true[1]), "the behaviour has changed"
PYTHON
