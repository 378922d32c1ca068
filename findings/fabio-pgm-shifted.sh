#!/usr/bin/env bash
# fabio: PGM images that it writes are shifted by a byte for other readers; of a plain one it reads one row.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 pillow==12.0.0 netpbmfile==2026.1.29
venv/bin/pip install --quiet --disable-pip-version-check --no-deps fabio==2026.6.0 filelock
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from fabio.pnmimage import PnmImage
from netpbmfile import imread
from PIL import Image

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "fabio", "netpbmfile", "pillow")))

print("Situation: images of 2 x 3 pixels, of 8 bits up to 255 and of 16 bits up to 65535, written by PnmImage of")
print("           fabio as PGM (P5) and read by fabio itself, netpbmfile and Pillow")
print("Expected:  the same values from all three")
for image in (np.array([[0, 20, 40], [60, 80, 255]], np.uint8),
              np.array([[0, 600, 1200], [1800, 2400, 65535]], np.uint16)):
    PnmImage(data=image).write("written.pgm")
    own = PnmImage().read("written.pgm").data.tolist()
    others = imread("written.pgm").tolist(), np.array(Image.open("written.pgm")).tolist()
    print(f"Seen:      {image.dtype}: {own} by fabio, {others[0]} by netpbmfile, {others[1]} by Pillow")
    assert own == image.tolist(), "the behaviour has changed"
    # The header ends with a space and a new line where the format has one such character.
    shifted = np.frombuffer((b"\n" + image.astype(image.dtype.newbyteorder(">")).tobytes())[:image.nbytes],
                            image.dtype.newbyteorder(">")).reshape(image.shape).tolist()
    assert others[0] == shifted and others[1] == shifted, "the behaviour has changed"

print("Situation: a plain PGM (P2) of 3 x 4 pixels, 1 to 12, read by fabio and by netpbmfile")
print("Expected:  1 to 12 from both")
Path("plain.pgm").write_text("P2\n4 3\n255\n1 2 3 4\n5 6 7 8\n9 10 11 12\n")
own, other = PnmImage().read("plain.pgm").data.astype(int).tolist(), imread("plain.pgm").tolist()
print(f"Seen:      {own} by fabio, {other} by netpbmfile")
assert own == [[9, 10, 11, 12], [0] * 4, [0] * 4], "the behaviour has changed"
assert other == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], "the behaviour has changed"
PYTHON
