#!/usr/bin/env bash
# algol-bayer: mosaics with an odd number of columns lose their colours and their rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5
venv/bin/pip install --quiet --disable-pip-version-check --no-deps algol-bayer==2025.12.1
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
from bayer.to_rgb import fits_to_layers

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numpy", "algol-bayer")))
print("Situation: colour frames in FITS with BAYERPAT = RGGB, all red 10, green 20 and blue 30, with a spectral")
print("           line of ten times that in the columns 2 and 3; fits_to_layers, which cuts extents that are no")
print("           multiple of the pattern")
print("Expected:  10, 20 and 30, with the line in column 1 of each colour, whatever the extents")
for rows, columns in ((6, 8), (7, 8), (6, 9)):
    mosaic = np.empty((rows, columns), np.float32)
    mosaic[::2, ::2], mosaic[::2, 1::2], mosaic[1::2, ::2], mosaic[1::2, 1::2] = 10, 20, 20, 30
    mosaic[:, 2:4] *= 10
    colours = fits_to_layers(SimpleNamespace(header={"NAXIS": 2, "BAYERPAT": "RGGB"}, data=mosaic))
    red = colours[0].astype(int).tolist()
    print(f"Seen:      {rows} x {columns}: red is {red}")
    expected = np.full((3, 4), 10.0)
    expected[:, 1] = 100
    assert colours.shape == (3, 3, 4)
    if columns == 8:
        assert all(np.array_equal(colour, expected * factor) for colour, factor in zip(colours, (1, 2, 3)))
    else:
        # numpy's resize fills the smaller array with the first values in the order of reading.
        shifted = mosaic.ravel()[:48].reshape(6, 8)
        assert np.array_equal(colours[0], shifted[::2, ::2]), "the behaviour has changed"
        assert np.array_equal(colours[2], shifted[1::2, 1::2]), "the behaviour has changed"
        assert not np.array_equal(colours[0], expected), "the behaviour has changed"
PYTHON
