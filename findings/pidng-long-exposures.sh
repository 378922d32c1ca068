#!/usr/bin/env bash
# PiDNG: a DNG of the Raspberry Pi's camera states 1/0 s for exposures longer than a second, and 1 s for 0.7 s.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 tifffile==2025.10.16 pidng==4.0.9
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tifffile
from pidng.camdefs import Picamera2Camera
from pidng.core import PICAM2DNG

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "tifffile", "pidng")))
print("Situation: raw frames of 12 bits, 64 x 48 pixels, saved by PICAM2DNG, as Picamera2 does, whose metadata state")
print("           exposure times of 0.01 s to 10 s, in microseconds; the tag ExposureTime as tifffile reads it")
print("Expected:  the exposure time of the metadata")
width, height = 64, 48
raw = np.random.default_rng(0).integers(0, 4096, (height, width)).astype(np.uint16)
for seconds, wanted in ((0.01, (1, 100)), (0.3, (1, 3)), (0.7, (1, 1)), (1.5, (1, 0)), (10, (1, 0))):
    camera = Picamera2Camera(
        {"format": "SBGGR12", "size": (width, height), "stride": 2 * width},
        {"SensorBlackLevels": (4096,) * 4, "ColourGains": (2.0, 1.5), "AnalogueGain": 1.0, "DigitalGain": 1.0,
         "ColourCorrectionMatrix": tuple(np.eye(3).ravel()), "ExposureTime": round(seconds * 1e6),
         "SensorTimestamp": 1},
    )
    writer = PICAM2DNG(camera)
    writer.options()
    Path("frame.dng").write_bytes(writer.convert(raw.view(np.uint8)))
    with tifffile.TiffFile("frame.dng") as file:
        stated = file.pages[0].tags["ExposureTime"].value
    print(f"Seen:      {seconds} s: {stated[0]}/{stated[1]} s")
    assert tuple(stated) == wanted, "the behaviour has changed"
PYTHON
