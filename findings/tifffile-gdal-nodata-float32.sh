#!/usr/bin/env bash
# GDAL's usual nodata text for float32 is read by tifffile as a nodata value of 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 tifffile==2025.10.16
venv/bin/python - <<'PYTHON'
import logging
import sys

import numpy as np
import tifffile

logging.getLogger("tifffile").setLevel(logging.CRITICAL)
print("python", sys.version.split()[0], "numpy", np.__version__, "tifffile", tifffile.__version__)
lowest = np.finfo(np.float32).min
text = "-3.4028234663852886e+38"
print("Situation: a float32 GeoTIFF with GDAL_NODATA (tag 42113) as GDAL writes the lowest float32:", text)
print("Expected:  page.nodata is that value; numpy.float32 of the text is the lowest float32:",
      np.float32(text) == lowest)
seen = {}
for written in (text, "-9999"):
    tags = [(42113, 2, 0, written, True)]
    tifffile.imwrite("a.tif", np.zeros((4, 4), np.float32), metadata=None, extratags=tags)
    with tifffile.TiffFile("a.tif") as tif:
        seen[written] = (tif.pages[0].tags.valueof(42113), tif.pages[0].nodata)
for written, (stated, nodata) in seen.items():
    print(f"Seen:      tag {stated!r}, page.nodata {nodata!r}")
# 0 is what a page without the tag has too, and a value that elevations and counts have.
assert seen["-9999"][1] == -9999
assert seen[text][1] == 0, "page.nodata is no longer 0: the behaviour has changed"
PYTHON
