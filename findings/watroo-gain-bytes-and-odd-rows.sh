#!/usr/bin/env bash
# watroo: results depend on the gain of the camera, the type of the numbers and the parity of the rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.2.6 scipy==1.16.3 numexpr==2.14.1 tqdm==4.67.1 \
    opencv-python-headless==4.12.0.88
venv/bin/pip install --quiet --disable-pip-version-check --no-deps watroo==0.0.4
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from scipy.signal import fftconvolve
from watroo import AtrousTransform, generalized_anscombe, richardson_lucy

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in (
    "numpy", "scipy", "numexpr", "opencv-python-headless", "watroo")))

print("Situation: values of 10, 100 and 1000 by generalized_anscombe with the gains 1, 2 and 4, and back by")
print("           inverse=True with the same gain")
print("Expected:  10, 100 and 1000")
values = np.array([10.0, 100.0, 1000.0])
for gain in (1, 2, 4):
    back = generalized_anscombe(generalized_anscombe(values, alpha=gain), alpha=gain, inverse=True)
    print(f"Seen:      gain {gain}: {back.round(3).tolist()}")
    # The forward transform adds 3/8 of the squared gain, and the inverse takes off 3/8 of the gain.
    assert np.allclose(back - values, 3 / 8 * (gain - 1)), "the behaviour has changed"

print("Situation: the smooth part of an image that is 20 everywhere, by AtrousTransform, as float64, uint16 and")
print("           uint8")
print("Expected:  20 from all three, as the scales that it is without are empty")
for dtype in (np.float64, np.uint16, np.uint8):
    smooth = AtrousTransform()(np.full((32, 32), 20, dtype), 3).data[-1]
    print(f"Seen:      {np.dtype(dtype)}: {smooth.min():.0f} to {smooth.max():.0f}")
    # The weights of 1/256 to 9/64 become whole numbers, 0, with 8 bits.
    assert np.allclose(smooth, 0 if dtype is np.uint8 else 20), "the behaviour has changed"

print("Situation: a point in row 30, blurred by a Gaussian, and 20 iterations of richardson_lucy with and without")
print("           fft=True; images of 64 and of 65 rows")
print("Expected:  the point in row 30")
y, x = np.mgrid[-5:6, -5:6]
psf = np.exp(-(x**2 + y**2) / 4.5)
psf /= psf.sum()
for rows in (64, 65):
    scene = np.full((rows, 64), 10.0)
    scene[30, 30] = 5000
    image = fftconvolve(np.pad(scene, 10, mode="edge"), psf, mode="same")[10:-10, 10:-10]
    for fft in (False, True):
        light = np.clip(richardson_lucy(image.copy(), psf, iterations=20, fft=fft) - 11, 0, None)
        row = float((light.sum(axis=1) * np.arange(rows)).sum() / light.sum())
        print(f"Seen:      {rows} rows, fft={fft}: row {row:.2f}")
        # The kernel is rolled by half the extent once more, which for odd extents is not the whole.
        assert np.isclose(row, 31 if fft and rows == 65 else 30, atol=0.05), "the behaviour has changed"
PYTHON
