#!/usr/bin/env bash
# fits-align: frames that were taken the other way up are aligned a pixel off; hdu is not regarded.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 astropy==7.1.1 pillow==12.0.0 \
    fits-align==0.4.4
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from astropy.io import fits
from fits_align.align import affineremap
from fits_align.star import SimpleTransform

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "astropy", "pillow", "fits-align")))
rows, columns = 60, 80
y, x = np.mgrid[:rows, :columns]
middle = (columns - 1) / 2, (rows - 1) / 2


def rotation(degrees):
    """Return the transform of fits_align that rotates about the middle of the frame."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return SimpleTransform((cosine, sine, middle[0] - cosine * middle[0] + sine * middle[1],
                            middle[1] - sine * middle[0] - cosine * middle[1]))


def align(transform, *images, hdu=1):
    """Return the first of the images in extensions of a file that `affineremap` has transformed."""
    fits.HDUList([fits.PrimaryHDU(), *map(fits.ImageHDU, images)]).writeto("frame.fits", overwrite=True)
    return fits.getdata(affineremap("frame.fits", transform, outdir=".", hdu=hdu)).astype(float)


def place(image):
    """Return x and y of the centroid of an image."""
    return np.array([(image * x).sum(), (image * y).sum()]) / image.sum()


star = (1000 * np.exp(-((x - 35) ** 2 + (y - 25) ** 2) / 8)).astype(np.float32)
print("Situation: frames of a star at (35, 25) aligned by affineremap: displaced by 3 pixels, and rotated about")
print("           the middle by 90 degrees and by 180, as from the other side of the pier")
print("Expected:  the star where the apply method of the same transform puts it")
for name, transform in (("displaced", SimpleTransform((1, 0, 3, 0))), ("90 degrees", rotation(90)),
                        ("180 degrees", rotation(180))):
    expected, seen = np.array(transform.apply(35, 25)), place(align(transform, star))
    print(f"Seen:      {name}: expected at {expected.round(2).tolist()}, seen at {seen.round(2).tolist()}")
    # The matrix is for pixels whose centres have whole coordinates; Pillow's have halves.
    cosine, sine = transform.v[:2]
    error = 0.5 * np.array([cosine - sine - 1, cosine + sine - 1])
    assert np.allclose(seen - expected, error, atol=0.01), "the behaviour has changed"

print("Situation: two images in extensions 1 and 2, all 1 and all 2; affineremap(..., hdu=2)")
print("Expected:  2, as the parameter is 'the hdu of the fits file that you want me to use'")
value = align(SimpleTransform(), np.ones((8, 8), np.float32), np.full((8, 8), 2, np.float32), hdu=2).max()
print(f"Seen:      {value:.0f}")
assert value == 1, "the behaviour has changed"
PYTHON
