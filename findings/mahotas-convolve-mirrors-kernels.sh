#!/usr/bin/env bash
# mahotas: convolve and convolve1d are correlations; a point becomes the mirrored kernel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 mahotas==1.4.19
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import mahotas
import numpy as np
from scipy import ndimage, signal

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "mahotas")))
print("Situation: one bright point in 7 x 7 pixels, convolved with a kernel of 3 x 3 that is not symmetric,")
print("           as motion leaves it; and in 7 pixels, along one axis")
kernel = np.arange(1.0, 10.0).reshape(3, 3)
point = np.zeros((7, 7))
point[3, 3] = 1
centre = np.s_[2:5, 2:5]
print("Expected:  the kernel in place of the point,", kernel.tolist())
for name, result in (("scipy.ndimage.convolve", ndimage.convolve(point, kernel)),
                     ("scipy.signal.convolve", signal.convolve(point, kernel, "same"))):
    assert np.allclose(result[centre], kernel)
    print(f"           which {name} returns")
whole = mahotas.convolve(point, kernel)[centre]
print(f"Seen:      mahotas.convolve: {whole.tolist()}")
lines = mahotas.convolve1d(point, kernel[0], axis=1)[3, 2:5]
print(f"Seen:      mahotas.convolve1d with {kernel[0].tolist()}: {lines.tolist()}")
# It multiplies the pixels around each by the kernel without turning it by 180 degrees.
assert np.allclose(whole, kernel[::-1, ::-1]), "the behaviour has changed"
assert np.allclose(lines, kernel[0, ::-1]), "the behaviour has changed"
PYTHON
