#!/usr/bin/env bash
# fitsio: of float images in the byte order of astropy some pixels are written as 4.6e-41.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 astropy==8.0.2 fitsio==1.4.2
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import fitsio
import numpy as np
from astropy.io import fits

names = ("numpy", "astropy", "fitsio")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: an image of 500 x 500 pixels, normally distributed about 1000, read by astropy,")
print("           which leaves it in the byte order of FITS, is written by fitsio.write,")
print("           without compression and by GZIP without quantization, and read again")
print("Expected:  the same values; fitsio.write accepts both byte orders")
for kind, stand_in, share in (("f4", 4.6096e-41, (0.003, 0.005)), ("f8", 3.0418e-319, (2e-4, 8e-4))):
    values = np.random.default_rng(1).normal(1000, 50, (500, 500)).astype(kind)
    fits.PrimaryHDU(values).writeto("original.fits", overwrite=True)
    read = fits.getdata("original.fits")
    assert read.dtype.byteorder == ">" and (read == values).all()
    for options in ({}, {"compress": "gzip", "qlevel": 0}):
        with warnings.catch_warnings(record=True) as caught:
            fitsio.write("written.fits", read, clobber=True, **options)
        found = fitsio.read("written.fits")
        wrong = found != values
        assert (fits.getdata("written.fits", ext=1 if options else 0) == found).all()
        print(f"Seen:      float{8 * values.itemsize}, {options or 'uncompressed'}: {wrong.sum()} pixels "
              f"({wrong.mean():.2%}) are {found[wrong].max():.4g}, {len(caught)} warnings")
        # They are those whose bytes in reverse are a NaN or infinity: its test is made of values
        # whose bytes are reversed already, while their type still states the order of before.
        assert (~np.isfinite(values.byteswap()) == wrong).all(), "the behaviour has changed"
        assert np.allclose(found[wrong], stand_in, rtol=1e-3, atol=0), "the behaviour has changed"
        assert share[0] < wrong.mean() < share[1] and not caught, "the behaviour has changed"
    fitsio.write("written.fits", read.astype(kind), clobber=True)
    same = (fitsio.read("written.fits") == values).all()
    print(f"Seen:      float{8 * values.itemsize}, after .astype({kind!r}): {'the same' if same else 'other'} values")
    assert same
PYTHON
