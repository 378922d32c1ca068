#!/usr/bin/env bash
# pyvips clips a grey 16-bit numpy array to 8 bits in PNG, and multiplies it by 257 if 16 bits are asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import PIL
import pyvips
from PIL import Image

print("python", sys.version.split()[0], "numpy", np.__version__, "pyvips", pyvips.__version__, "libvips",
      ".".join(str(pyvips.version(n)) for n in range(3)), "pillow", PIL.__version__)
print("Situation: a grey image of 12 bits in a uint16 array, passed to pyvips.Image.new_from_array and written")
print('           to PNG; the same as colours, to TIFF, and with interpretation="auto"; read by libvips, and')
print("           grey PNG by Pillow too, which agrees")
row = np.array([0, 100, 255, 256, 1000, 4095], np.uint16)
grey = np.tile(row, (4, 1))


def read(array, name, interpretation=None, **options):
    pyvips.Image.new_from_array(array, interpretation=interpretation).write_to_file(name, **options)
    values = pyvips.Image.new_from_file(name).numpy()
    if array.ndim == 2 and name.endswith(".png"):
        assert np.array_equal(np.asarray(Image.open(name)), values)
    return values[0].reshape(6, -1)[:, 0].tolist()


colours = read(np.stack([grey] * 3, -1), "colours.png")
tiff = read(grey, "grey.tif")
auto = read(grey, "auto.png", "auto")
png = read(grey, "grey.png")
png_16 = read(grey, "grey16.png", bitdepth=16)
print("Expected: ", row.tolist(), "from all")
print("Seen:     ", colours, 'from the colours in PNG, from TIFF, and from PNG with interpretation="auto"')
print("Seen:     ", png, "from PNG")
print("Seen:     ", png_16, "from PNG with bitdepth=16")
assert colours == tiff == auto == row.tolist()
# Without an interpretation a single band is taken for 8-bit grey (b-w), whatever its type.
assert png == [0, 100, 255, 255, 255, 255], "the behaviour has changed"
assert png_16 == [0, 25700, 65535, 65535, 65535, 65535], "the behaviour has changed"
PYTHON
