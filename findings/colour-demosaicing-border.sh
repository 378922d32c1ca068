#!/usr/bin/env bash
# colour-demosaicing: bilinear and Malvar (2004) give wrong colours at the border of the image.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 scipy==1.16.3 colour-science==0.4.7 colour-demosaicing==0.2.7
venv/bin/python - <<'PYTHON' 2>stderr.txt
import sys
from importlib.metadata import version

import colour_demosaicing
import numpy as np

names = ("numpy", "scipy", "colour-demosaicing")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
colour = np.array([0.2, 0.5, 0.8])
image = np.broadcast_to(colour, (10, 12, 3))
mosaic = colour_demosaicing.mosaicing_CFA_Bayer(image, "RGGB")
print("Situation: 10 x 12 pixels of the one colour", colour.tolist(), "as an RGGB mosaic, demosaiced")
print("Expected:  that colour everywhere: each filter's values are constant")
seen = {}
for name in ("bilinear", "Malvar2004", "Menon2007"):
    made = getattr(colour_demosaicing, f"demosaicing_CFA_Bayer_{name}")(mosaic, "RGGB")
    wrong = ~np.isclose(made, colour).all(axis=2)
    width = 0 if not wrong.any() else int(next(n for n in range(5) if not wrong[n:-n or None, n:-n or None].any()))
    seen[name] = width, made[0, 0].round(3).tolist(), made[-1, -1].round(3).tolist()
    print(f"Seen:      {name}: wrong in a border of {width} pixels; corners {seen[name][1]}, {seen[name][2]}")
# Beyond the border the mosaic is continued with its last row again, that is with the wrong filters,
# where Menon's (2007) repeats the last but one.
assert seen["bilinear"] == (1, [0.45, 0.25, 0.2], [0.05, 0.25, 1.8]), "the behaviour has changed"
assert seen["Malvar2004"][0] == 2 and seen["Menon2007"][0] == 0, "the behaviour has changed"
PYTHON
