#!/usr/bin/env bash
# Filters of dask-image with mode="wrap" continue an image by its first or last chunk.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3
venv/bin/pip install --quiet --disable-pip-version-check dask-image==2026.5.0
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import dask.array as da
import numpy as np
from dask_image import ndfilters
from scipy import ndimage

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "dask", "dask-image")))
print('Situation: filters with mode="wrap" of an image of 60 x 60 pixels, by scipy.ndimage, and by dask-image')
print("           in one chunk and in chunks of 20 x 20")
image = np.random.default_rng(0).normal(size=(60, 60))
image[:, :5] += 100  # the column after the last is the first, by the documentation of the mode
filters = {"gaussian_filter": {"sigma": 1.0}, "uniform_filter": {"size": 3}, "median_filter": {"size": 3},
           "sobel": {}, "convolve": {"weights": np.ones((3, 3)) / 9}}
print("Expected:  the values of scipy, whatever the chunks")
differences = {}
for name, options in filters.items():
    whole = getattr(ndimage, name)(image, mode="wrap", **options)
    for chunk in (60, 20):
        found = getattr(ndfilters, name)(da.from_array(image, chunks=chunk), mode="wrap", **options).compute()
        differences[name, chunk] = np.abs(found - whole)
    print(f"Seen:      {name}: largest difference from scipy {differences[name, 60].max():.3g} in one chunk,",
          f"{differences[name, 20].max():.3g} in chunks, in the last column {whole[30, -1]:.2f} of scipy and "
          f"{found[30, -1]:.2f} in chunks")
for name in filters:
    assert differences[name, 60].max() < 1e-9 and differences[name, 20][8:-8, 8:-8].max() < 1e-9
    if name != "convolve":  # which takes the other side of the image
        assert differences[name, 20].max() > 1, "the behaviour has changed"
PYTHON
