#!/usr/bin/env bash
# py360convert: c2e displaces a panorama by half a pixel of the cube's faces along both axes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 scipy==1.16.3 pillow==13.0.0 py360convert==1.0.4
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import py360convert

names = ("numpy", "scipy", "py360convert")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: an equirectangular panorama of 256 x 512 pixels with a Gaussian spot of 6 pixels at its")
print("           centre (row 127.5, column 255.5), to a cube by e2c and back by c2e, bilinear;")
print("           and faces of 64 pixels on which a spot is drawn at the centre of the front, by c2e")
print("Expected:  the spot at the centre, from each, since it is at the centre of the front face")


def position(image):
    return [float((image * grid).sum() / image.sum()) for grid in np.indices(image.shape)]


def spot(shape, sigma):
    rows, columns = np.indices(shape)
    centre = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    return np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / (2 * sigma**2))


panorama = spot((256, 512), 6)
moved = {}
for width in (32, 64, 128):
    faces = py360convert.e2c(panorama, width, mode="bilinear", cube_format="dict")
    front = position(faces["F"])
    back = position(py360convert.c2e(faces, 256, 512, mode="bilinear", cube_format="dict"))
    moved[width] = back[0] - 127.5, back[1] - 255.5
    pixels = width / 2 * np.pi / 256  # of the face, at its centre, per pixel of the panorama
    in_face = [m * pixels for m in moved[width]]
    print(f"Seen:      faces of {width}: on the front at {front[0]:.2f}, {front[1]:.2f}; then by "
          f"{moved[width][0]:+.2f}, {moved[width][1]:+.2f} pixels, {in_face[0]:+.2f} and {in_face[1]:+.2f} of the face")
    assert np.allclose(front, (width - 1) / 2, atol=0.02)
    # The centre of a face is taken for its index width / 2, which is (width - 1) / 2.
    assert np.allclose(np.abs(in_face), 0.5, atol=0.02), "the behaviour has changed"
drawn = {name: np.zeros((64, 64)) for name in "FRBLUD"}
drawn["F"] = spot((64, 64), 3)
back = position(py360convert.c2e(drawn, 256, 512, mode="bilinear", cube_format="dict"))
print(f"Seen:      drawn on the front: by {back[0] - 127.5:+.2f}, {back[1] - 255.5:+.2f} pixels")
assert np.allclose((back[0] - 127.5, back[1] - 255.5), moved[64], atol=0.05), "the behaviour has changed"
PYTHON
