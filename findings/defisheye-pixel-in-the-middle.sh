#!/usr/bin/env bash
# defisheye: the pixel in the middle of the result has the colour of the corner of the photograph.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 opencv-python-headless==5.0.0.93
venv/bin/pip install --quiet --disable-pip-version-check --no-deps defisheye==1.4.1
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from defisheye import Defisheye

names = ("numpy", "opencv-python-headless", "defisheye")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: a circular fisheye photograph of 100 x 100 pixels of a grey wall, 200, black outside the")
print("           circle, converted to a perspective view by Defisheye(photograph, dtype=..., format=...)")
y, x = np.mgrid[:100, :100] - 49.5
photograph = np.where(np.hypot(x, y) < 50, 200, 0).astype(np.uint8)[..., None].repeat(3, axis=2)
print("Expected:  200 in the middle of the view")
for projection in ("linear", "equalarea", "orthographic", "stereographic"):
    view = Defisheye(photograph, dtype=projection, format="circular", fov=180, pfov=90).convert()
    middle = view[48:51, 48:51, 0]
    print(f"Seen:      {projection:13} the middle three rows and columns: {middle.tolist()}")
    # Where the radius is 0 the coordinates are set to (0, 0), the corner, in place of the middle.
    assert middle[1, 1] == 0 and np.delete(middle.ravel(), 4).min() > 195, "the behaviour has changed"
PYTHON
