#!/usr/bin/env bash
# OpenEXR: a channel that is a view of a larger array is written from the wrong places of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 OpenEXR==3.5.3
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import numpy as np
import OpenEXR

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numpy", "OpenEXR")))
print("Situation: channels of an array of 4 x 6 pixels with 3 colours, written by OpenEXR.File and read")
print("           again: the colours together, each by its index, each as a copy, and one as a transpose")
print("Expected:  the same values each time, or an error")
colours = np.arange(4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
upright = np.ascontiguousarray(colours[..., 0].T)
header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}


def round_trip(channels):
    with OpenEXR.File(header, channels) as file:
        file.write("image.exr")
    with OpenEXR.File("image.exr") as file:
        (pixels,) = [channel.pixels for channel in file.channels().values()]
    return pixels


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert (round_trip({"RGB": colours}) == colours).all()
    assert (round_trip({"Y": colours[..., 1].copy()}) == colours[..., 1]).all()
    print("Seen:      together, and one as a copy: the same")
    for name, channel, memory in (
        ("red, colours[..., 0]", colours[..., 0], colours.ravel()[:24]),
        ("transposed", upright.T, upright.ravel()),
    ):
        found = round_trip({"Y": channel})
        print(f"Seen:      {name}: first row {found[0].tolist()} in place of {channel[0].tolist()}")
        # The steps of the array are not heeded: its rows are taken from successive numbers in memory.
        assert (found.ravel() == memory).all() and (found != channel).any(), "the behaviour has changed"
print(f"Seen:      {len(caught)} warnings")
assert not caught, "the behaviour has changed"
PYTHON
