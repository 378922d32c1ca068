#!/usr/bin/env bash
# PyAVM: coordinates of a resized picture are displaced by up to half a pixel of the coarser one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 pillow==13.0.0 astropy==8.0.2 PyAVM==0.9.9
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import numpy as np
from astropy.wcs import WCS
from PIL import Image
from pyavm import AVM

names = ("numpy", "pillow", "astropy", "PyAVM")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: the coordinates of 100 x 80 pixels of 3.6 arcsec as AVM, whose reference is the centre")
print("           of the picture, taken for pictures of the same field in other sizes (target_shape, and")
print("           target_image)")
print("Expected:  the centre and the corners of each picture at the same places of the sky")
world = WCS(naxis=2)
world.wcs.ctype = ["RA---TAN", "DEC--TAN"]
world.wcs.crpix, world.wcs.crval, world.wcs.cdelt = [50.5, 40.5], [10, 20], [-0.001, 0.001]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    described = AVM.from_wcs(world, shape=(80, 100))
    for factor in (1, 0.5, 2, 8):
        width, height = int(100 * factor), int(80 * factor)
        Image.new("L", (width, height)).save("picture.png")
        scaled = described.to_wcs(target_shape=(width, height))
        by_file = described.to_wcs(target_image="picture.png")
        assert (by_file.wcs.crpix == scaled.wcs.crpix).all()
        assert np.allclose(scaled.wcs.cdelt * factor, world.wcs.cdelt)
        # Corners and centre of a picture, in pixels whose centres have whole numbers, from 0.
        found = []
        for x, y in ((0, 0), (0.5, 0.5), (1, 1)):
            place = world.wcs_pix2world([[100 * x - 0.5, 80 * y - 0.5]], 0)
            pixel = scaled.wcs_world2pix(place, 0)[0]
            found.append(pixel - (width * x - 0.5, height * y - 0.5))
        found = np.array(found)
        print(f"Seen:      {width} x {height}: reference at {scaled.wcs.crpix[0]:g}, {scaled.wcs.crpix[1]:g} "
              f"(the centre is {(width + 1) / 2:g}, {(height + 1) / 2:g}); all places by "
              f"{found[0, 0]:+.2f}, {found[0, 1]:+.2f} pixels")
        # The reference pixel is multiplied by the factor; the first pixel's centre has the number 1.
        assert np.allclose(found, (factor - 1) / 2, atol=1e-3), "the behaviour has changed"
PYTHON
