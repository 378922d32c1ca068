#!/usr/bin/env bash
# colour-science writes float highlights above 1 as dark pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 scipy==1.16.3 pillow==13.0.0 imageio==2.38.1 colour-science==0.4.7
venv/bin/python - <<'PYTHON'
import platform
import sys
import warnings
from importlib.metadata import version

import numpy as np
from PIL import Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of optional packages that are missing
    import colour

print("python", sys.version.split()[0], platform.machine(),
      *(f"{name} {version(name)}" for name in ("numpy", "imageio", "colour-science")))
print("Situation: a float image with a highlight above 1 and a shadow below 0, as a change of colour space or")
print('           sharpening leaves them, written as 8-bit PNG by colour.write_image(..., method="Imageio"),')
print("           and read by Pillow")
row = np.array([-0.02, 0.0, 0.5, 1.0, 1.01, 1.2], np.float32)
image = np.tile(row[None, :, None], (4, 1, 3))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    colour.write_image(image, "image.png", bit_depth="uint8", method="Imageio")
read = np.asarray(Image.open("image.png"))[0, :, 0].tolist()
expected = np.round(np.clip(row, 0, 1) * 255).astype(int).tolist()
print("Expected: ", expected, "or a warning")
print("Seen:     ", read, f"and {len(caught)} warnings")
assert read == [251, 0, 128, 255, 2, 50] and not caught, "the behaviour has changed"
PYTHON
