#!/usr/bin/env bash
# mahotas: shift by 0 moves images by a pixel; shift and zoom do not interpolate, whatever the order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 mahotas==1.4.19
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import mahotas
import numpy as np
from mahotas.interpolate import shift

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numpy", "mahotas")))
line = np.arange(10.0, 20.0)
print("Situation: the values", line.tolist())
print("           shifted by 0 and by 0.5 pixels, and resized to 19 (spline order 1, that is linear);")
print("           a Gaussian spot at row 14 and column 15 of 31 x 31 pixels, by imresize to 61 x 61")
print("Expected:  by 0, the same; by 0.5, the means of neighbours; resized, 10, 10.5, 11 and so on up to 19,")
print("           since the first and last samples of both grids coincide; the spot at row 28, column 30")
moved = {s: shift(line, (s,), order=1).tolist() for s in (0, 0.5)}
for distance, values in moved.items():
    print(f"Seen:      by {distance}: {values}")
resized = mahotas.resize_to(line, (19,), order=1).tolist()
print(f"Seen:      resized: {resized}")
rows, columns = np.indices((31, 31))
spot = np.exp(-((rows - 14) ** 2 + (columns - 15) ** 2) / 8)
seen = {}
for order in (0, 1, 3):
    large = mahotas.imresize(spot, (61, 61), order=order)
    seen[order] = [float((large * grid).sum() / large.sum()) for grid in np.indices(large.shape)]
    print(f"Seen:      the spot, order {order}: row {seen[order][0]:.2f}, column {seen[order][1]:.2f}; "
          f"the last row has {'zeros only' if not large[-1].any() else 'values'}")
    # Coordinates are rounded up to the next pixel before the splines are evaluated at them.
    assert np.allclose(seen[order], (26.5, 28.5), atol=0.05), "the behaviour has changed"
assert moved[0] == [*line[1:], 0], "the behaviour has changed"
assert moved[0.5] == line.tolist(), "the behaviour has changed"
assert resized[:4] == [11, 11, 12, 12] and resized[-1] == 0, "the behaviour has changed"
PYTHON
