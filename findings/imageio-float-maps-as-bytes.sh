#!/usr/bin/env bash
# imageio returns floating-point PFM images as bytes, rounded, once OpenCV is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 pillow==13.0.0 imageio==2.38.1
cat > read.py <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import imageio.v3 as iio
import numpy as np

image = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    read = iio.imread("image.pfm")
state = sys.argv[1]
opencv = "without OpenCV" if state == "kept" else f"with OpenCV {version('opencv-python-headless')}"
print(f"Seen:      {[[round(float(x), 2) for x in row] for row in read]} as {read.dtype} {opencv},",
      f"{len(caught)} warnings")
if state == "kept":
    assert np.array_equal(read, image), "the behaviour has changed"
else:
    assert read.dtype == np.uint8 and np.abs(read - image).max() >= 0.39, "the behaviour has changed"
    assert np.array_equal(iio.imread("image.pfm", plugin="pillow"), image)
PYTHON
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from PIL import Image

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "pillow", "imageio")))
image = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
Image.fromarray(image).save("image.pfm")
print("Situation: imageio.v3.imread of a floating-point image in PFM, before and after OpenCV is installed")
print("Expected: ", [[round(float(x), 2) for x in row] for row in image], "as float32")
PYTHON
venv/bin/python read.py kept
venv/bin/pip install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93
venv/bin/python read.py rounded
