#!/usr/bin/env bash
# xisf: pictures with alpha, and arrays with their channels first, are written scrambled.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 xisf==0.9.7
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from xisf import XISF

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numpy", "xisf")))
print("Situation: XISF.write of 6 x 5 pixels with 1 to 4 channels (4 are colours and alpha), then XISF.read;")
print("           and of the array that read_image(0, 'channels_first') returns")
print("Expected:  6 x 5 pixels again, all values in their places, for each; XISF states a geometry of")
print("           width, height and channels, here 5:6:n")


def round_trip(array):
    XISF.write("image.xisf", array)
    file = XISF("image.xisf")
    return file.read_image(0), ":".join(map(str, file.get_images_metadata()[0]["geometry"]))


for channels in (1, 2, 3, 4):
    image = np.arange(6 * 5 * channels, dtype=np.uint16).reshape(6, 5, channels)
    read, geometry = round_trip(image)
    same = read.shape == image.shape and np.array_equal(read, image)
    print(f"Seen:      {channels} channels: geometry {geometry}, read as {read.shape}, "
          f"{'the same' if same else 'other values'}")
    # Only arrays of 1 or 3 channels are taken to have them last; others are stored as they lie,
    # below their shape, which is not width, height and channels in either order of axes.
    assert same == (channels in (1, 3)), "the behaviour has changed"
square = np.arange(6 * 6 * 4, dtype=np.uint16).reshape(6, 6, 4)
read, geometry = round_trip(square)
wrong = (read != square).mean()
print(f"Seen:      6 x 6 pixels of 4 channels: geometry {geometry}, read as {read.shape}, "
      f"{wrong:.0%} of the values wrong")
assert read.shape == square.shape and wrong > 0.9, "the behaviour has changed"
colours = np.arange(6 * 5 * 3, dtype=np.uint16).reshape(6, 5, 3)
XISF.write("colours.xisf", colours)
first = XISF("colours.xisf").read_image(0, "channels_first")
read, geometry = round_trip(first)
print(f"Seen:      channels first, {first.shape}: geometry {geometry}, read as {read.shape}")
assert read.shape == (6, 3, 5), "the behaviour has changed"
PYTHON
