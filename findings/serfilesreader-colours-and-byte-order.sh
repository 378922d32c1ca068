#!/usr/bin/env bash
# serfilesreader: of colour SER videos it gives the first third of each frame; setLittleEndian sets the width.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.2.6 astropy==7.1.1 opencv-python-headless==4.12.0.88
venv/bin/pip install --quiet --disable-pip-version-check --no-deps serfilesreader==0.0.8
venv/bin/python - <<'PYTHON'
import struct
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from serfilesreader import Serfile

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "astropy", "opencv-python-headless", "serfilesreader")))

print("Situation: a SER video of two colour frames (ColorID 100, RGB) of 6 x 4 pixels, 8 bits, all red 200,")
print("           green 100 and blue 50, except for a black lower half")
print("Expected:  frames of 6 x 4 x 3 values, or an error")
frames = np.empty((2, 6, 4, 3), np.uint8)
frames[:] = 200, 100, 50
frames[:, 3:] = 0
header = b"LUCAM-RECORDER" + struct.pack("<7i", 0, 100, 0, 4, 6, 8, 2)
Path("colour.ser").write_bytes(header.ljust(178, b"\0") + frames.tobytes())
frame = Serfile("colour.ser").readFrameAtPos(1)
print(f"Seen:      a frame of {frame.shape} values: {frame.tolist()}")
# The bytes of a pixel are counted with its colours for the place of a frame, and without them for its length.
assert np.array_equal(frame, frames[1].ravel()[:24].reshape(6, 4)), "the behaviour has changed"

print("Situation: a SER video written by Serfile, two frames of 6 x 4 pixels of 16 bits, then setLittleEndian(1)")
print("Expected:  the flag LittleEndian is 1 and the width is 4")
video = Serfile("written.ser", NEW=True)
video.setFileID("LUCAM-RECORDER")
video.setPixelDepthPerPlane(16)
for value in (1, 2):
    video.addFrame(np.full((6, 4), value, np.uint16))
video.setLittleEndian(1)
_, _, flag, width, height, *_ = struct.unpack_from("<7i", Path("written.ser").read_bytes(), 14)
print(f"Seen:      in the file LittleEndian is {flag} and the width {width} (height {height}, "
      f"{Path('written.ser').stat().st_size} bytes)")
assert (flag, width, height) == (0, 1, 6), "the behaviour has changed"
PYTHON
