#!/usr/bin/env bash
# lentil: charge diffusion is wider the more samples a pixel has, and displaces images with an even number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 lentil==0.8.10
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import lentil
import numpy as np

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "lentil")))
print("Situation: a point in a frame with 2, 3, 4 and 8 samples a pixel, blurred by lentil.detector.")
print("           charge_diffusion with sigma=0.3 and the oversample of the frame; positions and standard")
print("           deviations measured by moments")
print("Expected:  the point stays at its place; the standard deviation is 0.3 pixels in each (or, if sigma")
print("           counts samples, 0.3 samples in each)")
for oversample in (2, 3, 4, 8):
    frame = np.zeros((81, 81))
    frame[40, 40] = 1
    blurred = lentil.detector.charge_diffusion(frame, 0.3, oversample)
    columns = np.arange(81.0)
    profile = blurred.sum(axis=0) / blurred.sum()
    place = float((profile * columns).sum())
    width = float(np.sqrt((profile * (columns - place) ** 2).sum()))
    print(f"Seen:      oversample {oversample}: moved by {place - 40:.2f} samples, standard deviation "
          f"{width / oversample:.3f} pixels or {width:.2f} samples")
    assert np.isclose(place - 40, 0 if oversample % 2 else 0.5, atol=1e-6), "the behaviour has changed"
    # The kernel of 3 * oversample samples reaches from -1 to 1, whatever the distance of its samples.
    assert np.isclose(width, 0.3 * (3 * oversample - 1) / 2, rtol=0.01), "the behaviour has changed"
PYTHON
