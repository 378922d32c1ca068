#!/usr/bin/env bash
# sunkit-image: the noise estimated from images of 8 and 16 bits is far too low, or NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 scipy==1.16.3 astropy==7.2.0 scikit-image==0.25.2 sunpy==7.0.5 sunkit-image==0.6.1 \
    matplotlib reproject mpl-animators
PYTHONWARNINGS=ignore venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from sunkit_image.utils.noise import noise_estimation

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-image", "sunpy", "sunkit-image")))
print("Situation: whole numbers around 100 with Gaussian noise of a standard deviation of 3 and of 10, 128 x 128")
print("           pixels, as floats and as the integers of cameras and of FITS files, given to")
print("           sunkit_image.utils.noise.noise_estimation")
print("Expected:  the same estimate for the same numbers, near 3 and 10, whatever their type")
generator = np.random.default_rng(0)
for deviation in (3, 10):
    numbers = np.rint(generator.normal(100, deviation, (128, 128)))
    estimates = {kind: float(noise_estimation(numbers.astype(kind))["nlevel"][0])
                 for kind in ("float64", "int32", "uint8", "uint16", "int16")}
    print(f"Seen:      noise of {deviation}:",
          ", ".join(f"{estimate:.2f} from {kind}" for kind, estimate in estimates.items()))
    assert np.isclose(estimates["float64"], deviation, rtol=0.05), "the behaviour has changed"
    for kind in ("uint8", "uint16", "int16"):
        assert not estimates[kind] > 0.5 * deviation, "the behaviour has changed"
PYTHON
