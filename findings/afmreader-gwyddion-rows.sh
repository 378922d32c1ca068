#!/usr/bin/env bash
# AFMReader: Gwyddion images that are not square come with their rows broken and a wrong pixel size.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 h5py==3.15.1 loguru==0.7.3 ruamel.yaml==0.18.16 six==1.17.0
venv/bin/pip install --quiet --disable-pip-version-check --no-deps gwyfile==0.3.0 AFMReader==0.0.7
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import gwyfile
import numpy as np
from AFMReader.gwy import load_gwy
from gwyfile.objects import GwyContainer, GwyDataField, GwySIUnit
from loguru import logger

levels = []
logger.remove()
logger.add(lambda message: levels.append(message.record["level"].name))
names = ("numpy", "gwyfile", "AFMReader")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: heights of 4 rows of 6 pixels of 10 x 10 nm, in metres, in a file of Gwyddion, and the")
print("           same of 4 x 4 pixels, read by gwyfile and by load_gwy of AFMReader")
print("Expected:  the rows of the file, in nanometres, and a pixel size of 10 nm")
for columns in (4, 6):
    heights = np.arange(4.0 * columns).reshape(4, columns)
    metre = GwySIUnit(unitstr="m")
    field = GwyDataField(
        heights * 1e-9, xreal=columns * 1e-8, yreal=4e-8, si_unit_xy=metre, si_unit_z=metre
    )
    container = GwyContainer()
    container["/0/data/title"] = "Height"
    container["/0/data"] = field
    container.tofile("scan.gwy")
    stored = gwyfile.load("scan.gwy")["/0/data"]
    assert np.allclose(stored.data * 1e9, heights) and (stored["xres"], stored["yres"]) == (columns, 4)
    image, size = load_gwy("scan.gwy", "Height")
    print(f"Seen:      4 x {columns}: AFMReader gives {image.shape[0]} x {image.shape[1]} pixels of {size:.0f} nm; "
          f"second row {image[1].round().astype(int).tolist()}")
    if columns == 4:
        assert np.allclose(image, heights) and np.isclose(size, 10)
    else:
        # The numbers are taken in columns of the height of the image, and the width divided by it.
        assert np.allclose(image, heights.reshape(6, 4)), "the behaviour has changed"
        assert np.isclose(size, 15), "the behaviour has changed"
print("Seen:      levels of its log:", *sorted(set(levels)))
assert set(levels) <= {"DEBUG", "INFO"}, "the behaviour has changed"
PYTHON
