#!/usr/bin/env bash
# phaseCorrelate of OpenCV is half a pixel off for odd extents, and multiplies its inputs by the window.
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
print("Situation: an image registered to itself, to a copy moved by 3 columns and 2 rows, and to itself with a")
print("           Hanning window, as frames of a planet or a microscope are before they are averaged")
expected = np.array([[0, 0], [3, 2], [0, 0]])
shifts, means, products = {}, {}, {}
for size in (99, 100, 125):
    image = np.random.default_rng(1).normal(1000, 10, (size, size))
    moved = np.roll(image, (2, 3), axis=(0, 1))
    window = cv2.createHanningWindow((size, size), cv2.CV_64F)
    pairs = ((image, image), (image, moved), (image, image, window))
    shifts[size] = np.array([cv2.phaseCorrelate(*(a.copy() for a in pair))[0] for pair in pairs])
    first, second = image.copy(), image.copy()
    cv2.phaseCorrelate(first, second, window)
    means[size] = image.mean(), first.mean()
    products[size] = [np.allclose(frame, image * window) for frame in (first, second)]
    assert any(products[size]) or np.array_equal(first, image)
print("Expected: ", expected.tolist(), "for all sizes, and images that are inputs unchanged, with the mean",
      f"{means[100][0]:.1f}")
for size in (100, 125):
    print(f"Seen:      {np.round(shifts[size], 3).tolist()} for {size} x {size} pixels")
for size, (_, after) in means.items():
    print(f"Seen:      mean of an image of {size} x {size} pixels after the call with a window: {after:.1f}")
# No zeros are appended to 100 and 125 pixels, and the images themselves are multiplied; 99 become 100.
assert [cv2.getOptimalDFTSize(size) for size in means] == [100, 100, 125]
assert np.allclose(shifts[100], expected, atol=0.02)
# The peak of an unmoved image is at index n // 2, and its distance is measured from n / 2.
assert np.allclose(shifts[125], expected + 0.5, atol=0.02), "the shifts are correct: the behaviour has changed"
assert not any(products[99])
assert all(products[100] + products[125]), "the images are unchanged: the behaviour has changed"
PYTHON
