#!/usr/bin/env bash
# RosettaSciIO keeps the number of an ImageJ pixel size and drops its unit, unless that is "micron".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 dask==2026.8.0 \
  tifffile==2025.10.16 rosettasciio==0.15.0
venv/bin/python - <<'PYTHON'
import logging
import sys
import warnings
from importlib.metadata import version

import numpy as np
import tifffile
from rsciio.tiff import file_reader

print("python", sys.version.split()[0], "numpy", np.__version__, "rosettasciio", version("rosettasciio"),
      "tifffile", tifffile.__version__)
print("Situation: TIFF files of ImageJ of 4 x 16 x 24 pixels (Z, Y, X), of 200 nm along Y, 100 along X, 500")
print("           along Z, stated in micron, um, nm and mm")
print("Expected:  scales with their units, both of which file_reader states that it reads")
logging.getLogger("rsciio").setLevel(logging.WARNING)
nanometres = {"micron": 1e3, "um": 1e3, "nm": 1.0, "mm": 1e6}
units = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for unit, size in nanometres.items():
        tifffile.imwrite(f"{unit}.tif", np.zeros((4, 16, 24), np.uint16), imagej=True,
                         resolution=(size / 100, size / 200),
                         metadata={"axes": "ZYX", "unit": unit, "spacing": 500 / size})
        with tifffile.TiffFile(f"{unit}.tif") as file:
            assert file.imagej_metadata["unit"] == unit
        axes = file_reader(f"{unit}.tif")[0]["axes"]
        assert [axis["size"] for axis in axes] == [4, 16, 24]
        scales = [float(axis["scale"]) for axis in axes]
        assert np.allclose(scales, np.array([500, 200, 100]) / size, rtol=1e-5)
        units[unit] = [axis["units"] for axis in axes]
        print(f"Seen:      {unit}: scales {[float(f'{scale:.5g}') for scale in scales]}, units {units[unit]}")
print(f"           {len(caught)} warnings")
# Only "micron" is compared for, and the unit along Z is never set.
assert units.pop("micron") == [None, "µm", "µm"], "the behaviour has changed"
assert all(found == [None, None, None] for found in units.values()), "the behaviour has changed"
assert not caught, "there is a warning now: the behaviour has changed"
PYTHON
