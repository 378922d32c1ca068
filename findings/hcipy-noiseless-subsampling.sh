#!/usr/bin/env bash
# hcipy: NoiselessDetector gives its subpixels as the image, where NoisyDetector gives the pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 matplotlib==3.10.7 \
  astropy==7.1.1 imageio==2.37.2 xxhash==3.6.0 numexpr==2.14.1 asdf==5.1.0 \
  importlib_metadata==8.7.0 tqdm==4.67.1
venv/bin/pip install --quiet --disable-pip-version-check --no-deps hcipy==0.7.1
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from hcipy import NoiselessDetector, NoisyDetector, make_uniform_grid

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "hcipy")))
print("Situation: detectors of 8 x 8 pixels with 4 x 4 subpixels each (subsampling=4), by NoiselessDetector and,")
print("           without any noise, by NoisyDetector; light of 1 in each subpixel of both")
print("Expected:  images of 8 x 8 pixels of 16: the grid given is the one 'on which the detector returns its")
print("           images', with 'the centers of the pixels', by the documentation of both")
grid = make_uniform_grid([8, 8], [8, 8])
quiet = NoisyDetector(grid, dark_current_rate=0, read_noise=0, flat_field=0, include_photon_noise=False,
                      subsampling=4)
for detector in (NoiselessDetector(grid, subsampling=4), quiet):
    light = detector.input_grid.ones()
    assert light.size == 32 * 32
    detector.integrate(light, 1)
    image = detector.read_out()
    name = type(detector).__name__
    print(f"Seen:      {name:17} {' x '.join(map(str, image.grid.shape))} pixels of {float(image.mean()):g}, "
          f"{float(image.grid.delta[0]):g} apart; those of the detector are {float(grid.delta[0]):g} apart")
    if detector is quiet:
        assert image.size == 64 and np.allclose(image, 16)
    else:
        assert image.size == 1024 and np.allclose(image, 1), "the behaviour has changed"
PYTHON
