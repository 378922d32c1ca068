#!/usr/bin/env bash
# phaseCorrelate of OpenCV displaces images with odd extents by half a pixel relative to themselves.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 opencv-python-headless==5.0.0.93
venv/bin/python - <<'PYTHON'
import sys

import cv2
import numpy as np

print("python", sys.version.split()[0], "numpy", np.__version__, "opencv", cv2.__version__)
print("Situation: an image registered to itself, and to a copy moved by 3 columns and 2 rows,")
print("           as frames of a planet or a microscope are before they are averaged")
found = {}
for size in (100, 125):
    image = np.random.default_rng(1).normal(size=(size, size))
    moved = np.roll(image, (2, 3), axis=(0, 1))
    window = cv2.createHanningWindow((size, size), cv2.CV_64F)
    assert cv2.getOptimalDFTSize(size) == size  # no zeros are appended
    pairs = ((image, image), (image, moved), (image, image, window))
    found[size] = np.array([cv2.phaseCorrelate(*(a.copy() for a in pair))[0] for pair in pairs])
expected = np.array([[0, 0], [3, 2], [0, 0]])
print("Expected: ", expected.tolist(), "for every size (the last with a Hanning window)")
for size, shifts in found.items():
    print(f"Seen:      {np.round(shifts, 3).tolist()} for {size} x {size} pixels")
assert np.allclose(found[100], expected, atol=0.02)
# The peak of an unmoved image is at index n // 2, and its distance is measured from n / 2.
assert np.allclose(found[125], expected + 0.5, atol=0.02), "the behaviour has changed"
PYTHON
