#!/usr/bin/env bash
# scale("int32", "minmax") of astropy makes the brightest pixel of a float32 image the darkest.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 astropy==8.0.2 fitsio==1.4.2
venv/bin/python - <<'PYTHON'
import platform
import sys
import warnings

import astropy
import fitsio
import numpy as np
from astropy.io import fits

print("python", sys.version.split()[0], platform.machine(), "numpy", np.__version__,
      "astropy", astropy.__version__, "fitsio", fitsio.__version__)
print("Situation: float32 images of a sky of 1000 and a star whose peak is about 60000, scaled to integers")
print('           whose range is that from the lowest to the highest value, by hdu.scale(type, "minmax"),')
print("           written, and read by astropy and fitsio, which agree")
print("Expected:  the values as they were, to one step (0.9 for int16, 0.00002 for int32) and the rounding")
print("           of float32 (0.004)")
found = {}
for kind in ("int16", "int32"):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:32, :32] - 16
        image = rng.normal(1000, 10, (32, 32)) + 59000 * np.exp(-(x**2 + y**2) / 8)
        image = image.astype(np.float32)
        hdu = fits.PrimaryHDU(image.copy())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            hdu.scale(kind, "minmax")
        hdu.writeto(f"{kind}-{seed}.fits")
        read = fits.getdata(f"{kind}-{seed}.fits")
        assert np.allclose(read, fitsio.read(f"{kind}-{seed}.fits"), atol=0.1)
        at = np.unravel_index(image.argmax(), image.shape)
        messages = [str(entry.message) for entry in caught]
        found[kind, seed] = image[at], image.min(), read[at], np.abs(read - image), messages
for kind in ("int16", "int32"):
    wrong = [seed for seed in range(20) if abs(found[kind, seed][2] - found[kind, seed][0]) > 1]
    first = wrong[0] if wrong else 0
    peak, low, read, errors, messages = found[kind, first]
    print(f"Seen:      {kind}: the star's peak is wrong in {len(wrong)} of 20 images; in image {first} it is",
          f"{read:.2f} for {peak:.2f}, the lowest value {low:.2f}; wrong pixels: {(errors > 1).sum()};",
          f"warnings: {messages}")
# The highest value becomes 2147483647, which is 2147483648 in float32 and overflows.
assert all(abs(found["int16", seed][2] - found["int16", seed][0]) < 1 for seed in range(20))
overflowed = [abs(found["int32", seed][2] - found["int32", seed][1]) < 1 for seed in range(20)]
assert sum(overflowed) > 10, "the behaviour has changed"
PYTHON
