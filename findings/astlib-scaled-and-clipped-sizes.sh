#!/usr/bin/env bash
# astLib: scaleImage takes the factors along x and y the other way round and displaces coordinates; clips of odd
# sizes have even ones. (Building its extension takes a C compiler and a minute or two.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 astropy==7.1.1 setuptools==80.9.0
venv/bin/pip install --quiet --disable-pip-version-check --no-deps astlib==0.13.2
venv/bin/python - 2>warnings <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from astLib import astImages, astWCS
from astropy.io import fits

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "astropy", "astlib")))
header = fits.Header()
header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, 40, 30
header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
header["CRVAL1"], header["CRVAL2"], header["CRPIX1"], header["CRPIX2"] = 10.0, 0.0, 20.0, 15.0
header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = -1 / 3600, 0.0, 0.0, 1 / 3600
wcs = astWCS.WCS(header, mode="pyfits")
y, x = np.mgrid[:30, :40]
star = np.exp(-((x - 10) ** 2 + (y - 8) ** 2) / 8)

print("Situation: an image of 40 columns and 30 rows, scaleImage(image, wcs, [2, 1]), whose factors are 'in format")
print("           [x scale factor, y scale factor]'")
print("Expected:  80 columns and 30 rows")
rows, columns = astImages.scaleImage(star, wcs, [2.0, 1.0])["data"].shape
print(f"Seen:      {columns} columns and {rows} rows")
assert (rows, columns) == (60, 40), "the behaviour has changed"

print("Situation: a star at x = 10, y = 8 of pixels of 1 arcsec; its coordinates by the WCS that scaleImage returns")
print("           with the image enlarged twice and reduced to half, at the place of the star there")
print("Expected:  those that it had")
before = np.array(wcs.wcs2pix(*wcs.pix2wcs(10, 8)))
for factor in (2.0, 0.5):
    scaled = astImages.scaleImage(star, wcs, factor)
    data = scaled["data"]
    v, u = np.indices(data.shape)
    place = (data * u).sum() / data.sum(), (data * v).sum() / data.sum()
    error = np.array(wcs.wcs2pix(*scaled["wcs"].pix2wcs(*place))) - before
    print(f"Seen:      factor {factor}: displaced by {np.abs(error[0]):.2f} and {np.abs(error[1]):.2f} arcsec")
    # Centres of the outermost pixels stay at each other's place, 0 to 39 as 0 to 79, while CRPIX is multiplied.
    expected = [(start * (size * factor - 1) / (size - 1) + 1) / factor - 1 - start
                for start, size in ((10, 40), (8, 30))]
    assert np.allclose(error, expected, atol=0.02) and np.abs(error).min() > 0.3, "the behaviour has changed"

print("Situation: clipImageSectionPix(image, 20, 15, size) with sizes of 4, 5, 7 and 9, the 'size of square clipped")
print("           section in pixels'")
print("Expected:  4 x 4, 5 x 5, 7 x 7 and 9 x 9 pixels")
shapes = [astImages.clipImageSectionPix(star, 20, 15, size).shape for size in (4, 5, 7, 9)]
print("Seen:      " + ", ".join(f"{rows} x {columns}" for rows, columns in shapes))
assert shapes == [(4, 4), (4, 4), (8, 8), (8, 8)], "the behaviour has changed"
PYTHON
