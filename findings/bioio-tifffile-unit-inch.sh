#!/usr/bin/env bash
# bioio-tifffile takes pixel sizes that ImageJ states in inches or Angstrom for micrometres.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 tifffile==2025.10.16 \
  bioio-tifffile==1.3.1
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import numpy as np
import tifffile
from bioio_tifffile import Reader

print("python", sys.version.split()[0], "numpy", np.__version__, "bioio-tifffile", version("bioio-tifffile"),
      "tifffile", tifffile.__version__)
print("Situation: TIFF files of ImageJ of one pixel size, 84.667 micrometres (300 dpi), with 127 along Z, in")
print("           different units; inch is what ImageJ has of a TIFF of so many dpi")
print("Expected:  physical_pixel_sizes in micrometres, whatever the unit: Z 127, Y and X 84.667")
micrometres = {"micron": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "inch": 25400.0, "angstrom": 1e-4}
pixel, spacing = 25400 / 300, 127.0
seen = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for unit, size in micrometres.items():
        tifffile.imwrite(f"{unit}.tif", np.zeros((3, 8, 8), np.uint16), imagej=True,
                         resolution=(size / pixel, size / pixel),
                         metadata={"axes": "ZYX", "unit": unit, "spacing": spacing / size})
        sizes = Reader(f"{unit}.tif").physical_pixel_sizes
        seen[unit] = (sizes.Z, sizes.Y, sizes.X)
    # The same 300 dpi without ImageJ's description.
    tifffile.imwrite("plain.tif", np.zeros((8, 8), np.uint16), resolution=(300, 300), resolutionunit="INCH",
                     metadata=None)
    plain = Reader("plain.tif").physical_pixel_sizes
for unit, sizes in seen.items():
    print(f"Seen:      {unit}: {[float(f'{size:.5g}') for size in sizes]}")
print(f"Seen:      300 dpi without ImageJ: {[size and float(f'{size:.5g}') for size in plain]},",
      f"{sum('pixel size' in str(entry.message) for entry in caught)} warnings about pixel sizes")
expected = np.array([spacing, pixel, pixel])
for unit in ("micron", "nm", "mm", "cm"):
    assert np.allclose(seen[unit], expected, rtol=1e-4), unit
assert np.allclose(plain[1:], pixel, rtol=1e-4)
for unit in ("inch", "angstrom"):
    # A unit that it does not know counts as micrometres.
    assert np.allclose(seen[unit], expected / micrometres[unit], rtol=1e-4), "the behaviour has changed"
assert not any("pixel size" in str(entry.message) for entry in caught), "there is a warning now"
PYTHON
