#!/usr/bin/env bash
# astropop: subtracting a bias or a dark, a flat and a gain drop the flags of bad pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 astropy==7.1.1 \
  photutils==2.3.0 scikit-image==0.25.2 astroscrappy==1.3.0 \
  platformdirs==4.5.0
venv/bin/pip install --quiet --disable-pip-version-check --no-deps astropop==0.9.4
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from astropop.framedata import FrameData, PixelMaskFlags
from astropop.image import imarith
from astropop.image.processing import flat_correct, gain_correct, subtract_bias, subtract_dark

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "astropy", "astropop")))
print("Situation: an image with a pixel flagged as saturated, and one as dead in the bias, the dark and the")
print("           flat; after each step of astropop.image.processing")
print("Expected:  the flag of the image remains, and those of the calibration come to it, as in imarith")
where = np.zeros((4, 6), bool)
where[1, 2] = True


def frame(value, flag, place, unit="adu"):
    made = FrameData(np.full((4, 6), value), unit=unit)
    made.add_flags(flag, where=place)
    return made


image = frame(1000.0, PixelMaskFlags.SATURATED, where)
other = frame(100.0, PixelMaskFlags.DEAD, where[::-1])
flat = frame(2.0, PixelMaskFlags.DEAD, where[::-1], unit="")
steps = {
    "before": lambda: image,
    "imarith": lambda: imarith(image, other, "-"),
    "subtract_bias": lambda: subtract_bias(image, other),
    "subtract_dark": lambda: subtract_dark(image, other, dark_exposure=1, image_exposure=1),
    "flat_correct": lambda: flat_correct(image, flat),
    "gain_correct": lambda: gain_correct(image, 2.0),
}
for name, step in steps.items():
    result = step()
    saturated, dead = (PixelMaskFlags(int(result.flags[place][0])) for place in (where, where[::-1]))
    print(f"Seen:      {name:13} value {float(result.data[0, 0]):6g}, flags {saturated.name or 'none'} and "
          f"{dead.name or 'none'}")
    if name in ("before", "imarith"):
        assert saturated is PixelMaskFlags.SATURATED
    else:
        assert not result.flags.any(), "the behaviour has changed"
PYTHON
