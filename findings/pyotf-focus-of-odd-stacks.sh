#!/usr/bin/env bash
# The focus of a PSF that pyotf makes of an odd number of planes is one plane after the middle.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 \
  matplotlib==3.10.7 scikit-image==0.25.2 tifffile==2025.10.16
venv/bin/pip install --quiet --disable-pip-version-check --no-deps pyotf==0.0.3 dphtools==0.0.5
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from pyotf.otf import HanserPSF, SheppardPSF

print("python", sys.version.split()[0], "numpy", np.__version__, "pyotf", version("pyotf"))
print("Situation: a PSF of 11 planes of 65 x 65 pixels (NA 1.2, water, 520 nm), as for deconvolution")
print("Expected:  focus in the middle of every axis, at index (5, 32, 32)")
expected = {HanserPSF: (6, 32, 32), SheppardPSF: (6, 33, 33)}
for model, place in expected.items():
    values = model(520, 1.2, 1.33, 65, 65, zres=165, zsize=11).PSFi
    peak = tuple(int(n) for n in np.unravel_index(values.argmax(), values.shape))
    axis = values[:, peak[1], peak[2]]
    assert np.allclose(axis[2:6], axis[10:6:-1], rtol=1e-6), "the stack is symmetric about its peak"
    print(f"Seen:      {model.__name__}: focus at {peak}, 6 planes before it and 4 after it")
    # Planes are counted from (zsize + 1) // 2; SheppardPSF has its lateral centre there too.
    assert peak == place, "the behaviour has changed"
PYTHON
