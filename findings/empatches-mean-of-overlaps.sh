#!/usr/bin/env bash
# empatches: mode avg is no mean where more than two patches overlap, nor where one is 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 empatches==0.2.3
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from empatches import EMPatches

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numpy", "empatches")))
print("Situation: an image of 8 x 8 pixels in four patches of 6 x 6 pixels, whose results are all 0, 100,")
print("           200 and 300; merged with mode='avg': the mean value of the overlapping area at each")
print("           pixel, by its documentation")
tiles = EMPatches()
patches, places = tiles.extract_patches(np.ones((8, 8), np.float32), patchsize=6, overlap=2 / 3)
values = (0, 100, 200, 300)
total, count = np.zeros((8, 8)), np.zeros((8, 8))
for value, (top, bottom, left, right) in zip(values, places):
    total[top:bottom, left:right] += value
    count[top:bottom, left:right] += 1
merged = tiles.merge_patches([np.full_like(p, v) for p, v in zip(patches, values)], places, mode="avg")
rows = (1, 4, 6)
print("Expected:  rows 1, 4 and 6 at columns 1, 4 and 6:", (total / count)[np.ix_(rows, rows)].tolist())
print("Seen:     ", merged[np.ix_(rows, rows)].tolist())
# Each patch is averaged with what lies there already, so that the last one counts one half, and
# 0 is taken for a pixel without a value.
assert merged[1, 4] == 200 and merged[4, 1] == 100 and merged[4, 4] == 225, "the behaviour has changed"
PYTHON
