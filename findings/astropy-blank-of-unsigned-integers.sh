#!/usr/bin/env bash
# BLANK marks pixels without data in signed FITS integers for astropy, but not in unsigned ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 astropy==7.1.1
venv/bin/python - <<'PYTHON'
import sys

import astropy
import numpy as np
from astropy.io import fits

print("python", sys.version.split()[0], "numpy", np.__version__, "astropy", astropy.__version__)
print("Situation: 16-bit images whose header says BLANK = -32768, which one pixel has in the file;")
print("           once signed, once by the convention for unsigned integers (BZERO = 32768).")
print("Expected:  the marked pixel is NaN, not data, in both.")
found = {}
for dtype in ("int16", "uint16"):
    data = np.full((3, 4), 1000, dtype)
    data[1, 2] = np.iinfo(dtype).min  # -32768 in the file for both
    hdu = fits.PrimaryHDU(data)
    hdu.header["BLANK"] = -32768
    hdu.writeto(f"{dtype}.fits")
    with fits.open(f"{dtype}.fits") as hdus:
        read = hdus[0].data
        found[dtype] = read[1, 2]
        print(f"Seen:      {dtype:6} read as {read.dtype.name:8} the marked pixel is {read[1, 2]}")
assert np.isnan(found["int16"])
assert found["uint16"] == 0, "the pixel is no longer 0: the behaviour has changed"
PYTHON
