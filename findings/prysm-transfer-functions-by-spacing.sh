#!/usr/bin/env bash
# prysm: transfer functions blur along one axis only, and by default take the mean away, if given the spacing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 prysm==0.21.1
venv/bin/python - <<'PYTHON'
import sys
from functools import partial
from importlib.metadata import version

import numpy as np
from prysm.convolution import apply_transfer_functions
from prysm.detector import pixel_ft

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "prysm")))
print("Situation: a spot with a standard deviation of 4 samples, 1 um apart, on a background of 10, blurred by")
print("           the area of a pixel of 12 x 12 um, by apply_transfer_functions(spot, dx, [pixel_ft]): with")
print("           its documented dx=1, and with the frequencies fx and fy as arrays in place of it")
y, x = np.mgrid[:64, :64] - 32.0
spot = 10 + 100 * np.exp(-(x**2 + y**2) / 32)
pixel = partial(pixel_ft, width_x=12, width_y=12)
frequency = np.fft.fftshift(np.fft.fftfreq(64, 1))
fx, fy = np.meshgrid(frequency, frequency)
ways = {
    "fx, fy, shift=True": {"dx": None, "fx": fx, "fy": fy, "shift": True},
    "dx, shift=True": {"dx": 1, "shift": True},
    "dx": {"dx": 1},
}
print("Expected:  the mean as it was, and the spot sqrt(4**2 + 12**2 / 12) = 5.29 wide along both axes")
print(f"           mean of the picture {spot.mean():.2f}")
for name, arguments in ways.items():
    result = apply_transfer_functions(spot, tfs=[pixel], **arguments)
    light = result - np.median(result)
    widths = [float(np.sqrt(abs((light * axis**2).sum() / light.sum()))) for axis in (x, y)]
    print(f"Seen:      {name:18} mean {result.mean():6.2f}, from {result.min():6.2f} to {result.max():5.2f}",
          "" if name == "dx" else f"width along X {widths[0]:.2f}, along Y {widths[1]:.2f}")
    if name == "dx":
        # The frequencies have 0 in their middle, the transform that they are applied to at index 0.
        assert abs(result.mean()) < 0.01, "the behaviour has changed"
    elif name == "dx, shift=True":
        # fx and fy are two rows, so that both functions act along the columns.
        assert np.isclose(widths[0], np.sqrt(16 + 2 * 12), rtol=0.03), "the behaviour has changed"
        assert np.isclose(widths[1], 4, rtol=0.03), "the behaviour has changed"
    else:
        assert np.allclose(widths, np.sqrt(28), rtol=0.03) and np.isclose(result.mean(), spot.mean())
PYTHON
