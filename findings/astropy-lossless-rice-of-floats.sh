#!/usr/bin/env bash
# astropy: floats compressed by RICE without quantization are cut to whole numbers.
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
print("Situation: a float32 image of values between 0 and 1, written as CompImageHDU with quantize_level=0,")
print("           that is without quantization, by each of the compressions for floats; RICE_1 is the default")
print("Expected:  the same values, or an error, as CFITSIO gives for all but GZIP")
image = np.random.default_rng(0).random((64, 64), np.float32)
for name in ("GZIP_1", "GZIP_2", "RICE_1", "HCOMPRESS_1"):
    fits.CompImageHDU(image, compression_type=name, quantize_level=0).writeto(f"{name}.fits")
    read, other = fits.getdata(f"{name}.fits", 1), fitsio.read(f"{name}.fits", ext=1)
    print(f"Seen:      {name:11} mean {image.mean():.4f}, read by astropy as {read.mean():.4f}, "
          f"by fitsio as {other.mean():.4f}")
    if name.startswith("GZIP"):
        assert np.array_equal(read, image), "the behaviour has changed"
    else:
        # The compressor takes integers; the floats are cast to them.
        assert np.array_equal(read, np.floor(image)), "the behaviour has changed"
fits.CompImageHDU(1000 + 10 * image, quantize_level=0).writeto("large.fits")
read, other = fits.getdata("large.fits", 1), fitsio.read("large.fits", ext=1)
print(f"Seen:      RICE_1 of 1000 to 1010: {1000 + 10 * image[0, 0]:.4f} read by astropy as {read[0, 0]}, "
      f"by fitsio as {other[0, 0]}")
assert np.array_equal(read, np.floor(1000 + 10 * image)), "the behaviour has changed"
try:
    fitsio.write("fitsio.fits", image, compress="RICE", qlevel=0)
except OSError as error:
    print(f"           fitsio refuses to write it: {str(error).splitlines()[-1]}")
else:
    raise AssertionError("fitsio no longer refuses it")
PYTHON
