#!/usr/bin/env bash
# stsci.image: sums of exposures wrap around in the type of the exposures, and count masked pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 stsci.image==2.3.11
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from stsci.image.numcombine import num_combine

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "stsci.image")))
print("Situation: three exposures of 16 bits, all 30000, combined by num_combine(..., combination_type='sum');")
print("           and three of floats, 1, 2 and 300, whose 300 a cosmic ray has hit, with a mask of it")
exposures = np.full((3, 2, 2), 30000, np.uint16)
total = num_combine(exposures, combination_type="sum")
hit = np.stack([np.full((2, 2), value) for value in (1.0, 2.0, 300.0)])
masks = hit > 100
print("Expected:  90000; and 3 without what is masked: the documentation has masks for masking out 'bad' pixels")
print("           from the combination, and sum beside the other combinations")
print(f"Seen:      sum {np.unique(total).tolist()} of type {total.dtype}")
assert (total == 90000 - 2**16).all(), "the behaviour has changed"
for kind, expected, seen in (("sum", 3, 303), ("mean", 1.5, 1.5), ("median", 1.5, 1.5), ("minimum", 1, 1)):
    masked = num_combine(hit, masks=masks, combination_type=kind)
    cut = num_combine(hit, upper=100, combination_type=kind)
    print(f"Seen:      {kind:7} by masks {masked[0, 0]:g}, by upper=100 {cut[0, 0]:g}, expected {expected:g}")
    assert (masked == seen).all() and (cut == seen).all(), "the behaviour has changed"
PYTHON
