#!/usr/bin/env bash
# regularizepsf: a flat image becomes a grid, and what is negative in an image becomes positive.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 astropy==7.1.1 \
  h5py==3.15.1 matplotlib==3.10.7 scikit-image==0.25.2 sep==1.4.1
venv/bin/pip install --quiet --disable-pip-version-check --no-deps regularizepsf==1.2.1
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from regularizepsf.psf import ArrayPSF
from regularizepsf.transform import ArrayPSFTransform
from regularizepsf.util import IndexedCube, calculate_covering

size = 32


def unchanged(image, **arguments):
    """The image through the transform of a PSF to itself."""
    corners = [tuple(map(int, corner)) for corner in calculate_covering(image.shape, size, **arguments)]
    y, x = np.mgrid[:size, :size] - size // 2
    psf = np.exp(-(y**2 + x**2) / 2)
    model = ArrayPSF(IndexedCube(corners, np.stack([psf] * len(corners))))
    transform = ArrayPSFTransform.construct(model, model, alpha=2.0, epsilon=1e-9)
    return transform.apply(image)[size:-size, size:-size]


names = ("numpy", "scipy", "regularizepsf")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: ArrayPSFTransform.apply from a PSF to the same PSF, which should change nothing, with the")
print("           patches that calculate_covering gives: half overlapping by default, three quarters by")
print("           sample_rate=4; of a flat image of 1000, and of noise of mean 0 and standard deviation 1")
print("Expected:  the image, but for the factor of the overlap that normalization_coefficient is for")
flat, noise = np.full((128, 128), 1000.0), np.random.default_rng(0).normal(0, 1, (128, 128))
grid, dense = unchanged(flat), unchanged(flat, sample_rate=4)
print(f"Seen:      flat, half overlapping: {grid.min():.0f} to {grid.max():.0f}, every fourth pixel of a row:")
print(f"           {grid[16, :33:4].round().astype(int).tolist()}")
print(f"           flat, sample_rate=4: {dense.min():.0f} to {dense.max():.0f}, which is even")
# Each patch is multiplied by the whole window sin^2 both before and after it is filtered.
assert 250 < grid.min() < 260 and grid.max() > 985, "the behaviour has changed"
factor = dense.mean() / 1000
assert np.ptp(dense) < 0.1
result = unchanged(noise, sample_rate=4) / factor
true = noise[size:-size, size:-size]
print(f"Seen:      noise, sample_rate=4: mean {true.mean():.2f} and lowest value {true.min():.2f} become "
      f"{result.mean():.2f} and {result.min():.4f}")
# apply takes the modulus of the inverse Fourier transform; version 1.1 took its real part.
assert result.min() >= 0 and result.mean() > 0.5, "the behaviour has changed"
PYTHON
