#!/usr/bin/env bash
# demosaic: by its default method float images become 0 and 1, and green is of the next pixel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 pillow==13.0.0 \
  opencv-python-headless==5.0.0.93 piexif==1.1.3 pyyaml==6.0.3 loguru==0.7.3
venv/bin/pip install --quiet --disable-pip-version-check --no-deps demosaic==1.1.3
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import numpy as np
from demosaic import bayer
from demosaic.io import load_image
from PIL import Image

names = ("numpy", "pillow", "demosaic")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: a Bayer mosaic of 12 rows of 16 pixels whose columns rise from 40 to 190 of 255, grey, by")
print("           load_image, which divides by 255 by default, and by bayer.demosaic without its blur,")
print("           whose default method is malvar; and the same as bytes")
print("Expected:  colours that rise by 10 a column, as floats 1/255 of those from bytes")
columns = np.arange(16, dtype=np.uint8) * 10 + 40
Image.fromarray(np.tile(columns, (12, 1))).save("mosaic.png")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    bytes_in = load_image("mosaic.png", normalise=False)
    bytes_in = np.asarray(bytes_in)
    floats_in = load_image("mosaic.png")
    assert np.allclose(floats_in, bytes_in / 255) and floats_in.dtype == np.float32
    for method in ("bilinear", "malvar"):
        of_bytes = bayer.demosaic(bytes_in, method=method, blur_kernel=0)[4:6, :, 1]
        of_floats = bayer.demosaic(floats_in, method=method, blur_kernel=0)[4:6, :, 1]
        for row in (0, 1):
            print(f"Seen:      {method}: green of row {4 + row}, of bytes {of_bytes[row, :6].tolist()}, of floats",
                  [round(float(v), 2) for v in of_floats[row, :6]])
        if method == "bilinear":
            assert (np.diff(of_bytes.astype(int)) == 10).all()
            assert np.allclose(of_floats, of_bytes / 255, atol=0.01)
        else:
            # The green of every other pixel is that of its neighbour, and sums are rounded to whole
            # numbers whatever the type.
            assert of_bytes[0, :6].tolist() == [60, 60, 80, 80, 100, 100], "the behaviour has changed"
            assert of_bytes[1, :6].tolist() == [70, 70, 90, 90, 110, 110], "the behaviour has changed"
            assert set(of_floats.ravel().tolist()) == {0, 1}, "the behaviour has changed"
    default = bayer.demosaic(floats_in, blur_kernel=0)
assert (default[4:6, :, 1] == of_floats).all()
print("Seen:     ", len(caught), "warnings")
assert not caught, "the behaviour has changed"
PYTHON
