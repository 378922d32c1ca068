#!/usr/bin/env bash
# image-registration: the shift between two images is half a pixel off along axes of odd extent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 scipy==1.16.3 astropy==7.1.1 matplotlib==3.10.7 image_registration==0.2.10
MPLBACKEND=agg venv/bin/python -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from image_registration import cross_correlation_shifts, register_images

names = ("numpy", "astropy", "image_registration")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: a Gaussian spot of 2.5 pixels (standard deviation), and the same 1 row and 2 columns")
print("           further on, on 40 x 40, 41 x 41 and 40 x 41 pixels: cross_correlation_shifts of the two,")
print("           and of the first with itself")
print("Expected:  a shift of 2 columns and 1 row, and of 0 and 0, whatever the extent of the images;")
print("           register_images of the same package gives these")
seen = {}
for shape in ((40, 40), (41, 41), (40, 41)):
    rows, columns = np.indices(shape)
    first, second = (
        np.exp(-((rows - 18 - down) ** 2 + (columns - 20 - along) ** 2) / 12.5)
        for down, along in ((0, 0), (1, 2))
    )
    assert np.allclose(register_images(first, second, usfac=10), (2, 1), atol=0.01)
    moved = [float(x) for x in cross_correlation_shifts(first, second)]
    still = [float(x) for x in cross_correlation_shifts(first, first)]
    seen[shape] = (*moved, *still)
    print(f"Seen:      {shape[0]} x {shape[1]}: {moved[0]:.2f} columns and {moved[1]:.2f} rows; "
          f"with itself {abs(still[0]):.2f} and {abs(still[1]):.2f}")
# Of an odd extent, half of it is taken for the index of the middle, which lies half a pixel before.
expected = {
    (40, 40): (2, 1, 0, 0), (41, 41): (2.5, 1.5, 0.5, 0.5), (40, 41): (2.5, 1, 0.5, 0),
}
assert all(np.allclose(seen[s], expected[s], atol=0.01) for s in seen), "the behaviour has changed"
PYTHON
