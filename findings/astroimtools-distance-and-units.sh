#!/usr/bin/env bash
# astroimtools: radial_distance takes (x, y) for (y, x); nddata_arith drops units and adds different ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 scipy==1.16.3 astropy==7.1.1 astroimtools==0.4.0
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from astroimtools import nddata_arith, radial_distance
from astropy import units
from astropy.nddata import NDData

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "astropy", "astroimtools")))
print("Situation: the distances from position (6, 1) in an image of 4 rows of 8 columns, where the position is")
print("           'An (x, y) tuple of pixel coordinates for the central position' by the documentation")
distances = radial_distance((6, 1), (4, 8))
print("Expected:  0 at column 6 of row 1; 6 at column 0 of it")
print(f"Seen:      row 1 is {distances[1].round(1).tolist()}")
print(f"           (1, 6) is {radial_distance((1, 6), (4, 8))[1].round(1).tolist()}")
true = np.hypot(*(np.mgrid[:4, :8] - np.array([1, 6])[:, None, None]))
assert np.allclose(radial_distance((1, 6), (4, 8)), true)
assert np.isclose(distances[1, 6], np.hypot(6 - 1, 1 - 6)), "the behaviour has changed"
print("Situation: nddata_arith of NDData with units, whose own arithmetic (CCDData) keeps and checks them")
seconds, hours = (NDData(np.full(3, 2.0), unit=unit) for unit in (units.second, units.hour))
print("Expected:  2 s + 2 s = 4 s; 2 s + 2 h = 7202 s, or an error")
for name, other in (("2 s + 2 s", seconds), ("2 s + 2 h", hours)):
    total = nddata_arith(seconds, other, "+")
    print(f"Seen:      {name} = {total.data[0]:g}, unit {total.unit}")
    assert total.unit is None and (total.data == 4).all(), "the behaviour has changed"
PYTHON
