#!/usr/bin/env bash
# prysm: saturated pixels of a detector of 8 or 16 bits are 0, those of 12 bits are 4096.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 prysm==0.21.1
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from prysm.detector import Detector

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "prysm")))
print("Situation: a star on a detector without noise of 8, 12, 14 and 16 bits, one electron a step, exposed by")
print("           prysm.detector.Detector so long that its middle is beyond the converter's range")
print("Expected:  the highest value there: 255, 4095, 16383, 65535; prysm's documentation says that an image")
print("           of 12 bits has a peak of 4095")
y, x = np.mgrid[-8:9, -8:9]
star = np.exp(-(y**2 + x**2) / 18)
for bits in (8, 12, 14, 16):
    np.random.seed(0)
    detector = Detector(dark_current=0, read_noise=0, bias=0, fwc=1e9, conversion_gain=1, bits=bits,
                        exposure_time=1)
    image = detector.expose(4 * 2**bits * star)
    print(f"Seen:      {bits:2} bits: {image.dtype}, row through the middle {image[8, ::2].tolist()}")
    # The counts are cut at 2 ** bits, one above the highest value, and then cast.
    assert image[8, 8] == (0 if bits in (8, 16) else 2**bits), "the behaviour has changed"
    assert image[8, 0] > 0
PYTHON
