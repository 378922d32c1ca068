#!/usr/bin/env bash
# phaseCorrelate of OpenCV multiplies the caller's images by the window.
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
print("Situation: the displacement of two frames is measured with a Hanning window, before they are averaged")
print("Expected:  the frames, which are inputs, are unchanged, whatever their size")
changed = {}
for size in (99, 100):
    first = np.random.default_rng(1).normal(1000, 10, (size, size))
    second = first.copy()
    window = cv2.createHanningWindow((size, size), cv2.CV_64F)
    before = first.copy()
    cv2.phaseCorrelate(first, second, window)
    changed[size] = not np.array_equal(first, before)
    print(f"Seen:      the frames of {size} x {size} pixels are "
          f"{'changed: mean ' if changed[size] else 'unchanged: mean '}{first.mean():.1f} after, "
          f"{before.mean():.1f} before" + (", the corner is 0" if first[0, 0] == 0 else ""))
    if changed[size]:
        assert np.allclose(first, before * window) and np.allclose(second, before * window)
# Only where the discrete Fourier transform needs more pixels does it work on a copy.
assert cv2.getOptimalDFTSize(99) > 99 and cv2.getOptimalDFTSize(100) == 100
assert changed == {99: False, 100: True}, "the behaviour has changed"
PYTHON
