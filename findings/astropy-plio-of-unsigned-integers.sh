#!/usr/bin/env bash
# astropy adds 32768 to unsigned integers that CFITSIO has compressed by PLIO, the usual way for masks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 astropy==8.0.2 fitsio==1.4.2
venv/bin/python - <<'PYTHON'
import sys

import astropy
import fitsio
import numpy as np
from astropy.io import fits

print("python", sys.version.split()[0], "numpy", np.__version__, "astropy", astropy.__version__,
      "fitsio", fitsio.__version__, "with CFITSIO", fitsio.cfitsio_version())
print("Situation: a mask of unsigned 16-bit integers, written by fitsio with the compression PLIO")
print("           (fpack -p of CFITSIO writes the same), read by fitsio and by astropy;")
print("           for comparison with the compression RICE")
mask = np.repeat(np.array([[0, 1, 4, 40000]], np.uint16), 8, axis=0)
read = {}
for name in ("PLIO", "RICE"):
    fitsio.write(f"{name}.fits", mask, compress=name)
    assert np.array_equal(fitsio.read(f"{name}.fits", ext=1), mask)
    read[name] = fits.getdata(f"{name}.fits", 1)
print("Expected: ", mask[0].tolist(), "from both libraries, which fitsio returns")
print("Seen:     ", read["PLIO"][0].tolist(), f"from astropy ({read['PLIO'].dtype}; with RICE "
      f"{read['RICE'][0].tolist()})")
# PLIO has no negative numbers: CFITSIO compresses the values without the offset that BZERO states.
assert np.array_equal(read["RICE"], mask)
assert np.array_equal(read["PLIO"], mask + np.uint16(32768)), "the behaviour has changed"
PYTHON
