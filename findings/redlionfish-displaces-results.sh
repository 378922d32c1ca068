#!/usr/bin/env bash
# Richardson-Lucy of RedLionfish displaces a point by most of a voxel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3
venv/bin/pip install --quiet --disable-pip-version-check --no-deps redlionfish==0.10
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import scipy
from RedLionfishDeconv import doRLDeconvolutionFromNpArrays
from scipy.ndimage import center_of_mass, gaussian_filter

print("python", sys.version.split()[0], "numpy", np.__version__, "scipy", scipy.__version__,
      "redlionfish", version("redlionfish"))
point = np.zeros((32, 32, 32), np.float32)
point[16, 16, 16] = 1
blurred = gaussian_filter(point, 2, mode="wrap") + 1e-6
kernel = np.zeros((15, 15, 15), np.float32)
kernel[7, 7, 7] = 1
kernel = gaussian_filter(kernel, 2, mode="constant")

print("Situation: a point at index 16, blurred by a symmetric PSF of 15 x 15 x 15 samples")
print("Expected:  the deconvolved point at index 16")
done = doRLDeconvolutionFromNpArrays(blurred, kernel, niter=30, method="cpu")
inner = done[8:25, 8:25, 8:25]
seen = [round(float(x) + 8, 2) for x in center_of_mass(inner)]
print(f"Seen:      after 30 iterations its centre of mass is at {seen}")
# The PSF is moved to index -1 for an even extent, and reversed by numpy.flip, which moves it again.
assert all(abs(x - 16) > 0.3 for x in seen), "the behaviour has changed"
PYTHON
