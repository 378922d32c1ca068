#!/usr/bin/env bash
# netpbmfile returns PFM images upside down.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 pillow==13.0.0 netpbmfile==2026.1.29
venv/bin/python - <<'PYTHON'
import sys

import netpbmfile
import numpy as np
import PIL
from PIL import Image

print("python", sys.version.split()[0], "numpy", np.__version__, "netpbmfile", netpbmfile.__version__,
      "pillow", PIL.__version__)
print("Situation: a floating-point image of 2 rows in PFM, whose rows run from bottom to top by the")
print("           description of the format, written by Pillow and read by Pillow and by netpbmfile")
image = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
Image.fromarray(image).save("image.pfm")
with open("image.pfm", "rb") as file:
    stored = np.frombuffer(file.read()[-image.nbytes:], "<f4").reshape(image.shape)
assert np.array_equal(stored, image[::-1])  # the bottom row is first in the file
with Image.open("image.pfm") as opened:
    assert np.array_equal(np.asarray(opened), image)
read = netpbmfile.imread("image.pfm")
print("Expected: ", image.tolist(), "which Pillow reads")
print("Seen:     ", read.tolist(), "from netpbmfile")
assert np.array_equal(read, image[::-1]), "the behaviour has changed"
PYTHON
