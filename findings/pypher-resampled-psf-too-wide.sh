#!/usr/bin/env bash
# Kernels of pypher between PSFs of two pixel sizes belong to a source PSF that is too wide.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 scipy==1.16.3 astropy==8.0.2 pypher==0.7.3
venv/bin/python - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

import numpy as np
from astropy.io import fits

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "astropy", "pypher")))


def write(name, size, step, sigma):
    """Write a Gaussian PSF with its pixel size; both lengths in arcseconds."""
    y, x = (np.mgrid[:size, :size] - size // 2) * step
    hdu = fits.PrimaryHDU(np.exp(-(x**2 + y**2) / (2 * sigma**2)))
    hdu.header["CD1_1"], hdu.header["CD2_2"] = -step / 3600, step / 3600
    hdu.writeto(name)


def deviation(name):
    """Return the standard deviation of the kernel, from the curvature of its transform at 0."""
    kernel, header = fits.getdata(name).astype(float), fits.getheader(name)
    n = len(kernel)
    transform = np.abs(np.fft.fft2(kernel))[0]
    return np.sqrt(-2 * np.log(transform[1] / transform[0])) * n / (2 * np.pi) * header["CD2_2"] * 3600


print("Situation: the kernel from a Gaussian PSF of 0.3 arcsec (33 pixels of 0.1 arcsec) to one of 0.4 arcsec")
print("           (65 pixels of 0.07 arcsec), by the command pypher; for comparison both with 0.07 arcsec")
write("source.fits", 33, 0.1, 0.3)
write("fine.fits", 47, 0.07, 0.3)
write("target.fits", 65, 0.07, 0.4)
found = {}
for name in ("source", "fine"):
    subprocess.run(
        ["venv/bin/pypher", f"{name}.fits", "target.fits", f"kernel_{name}.fits", "-r", "1e-6"], check=True)
    found[name] = deviation(f"kernel_{name}.fits")
true = np.sqrt(0.4**2 - 0.3**2)
print(f"Expected:  a kernel of {true:.4f} arcsec for both, since the variances of Gaussians add")
print(f"Seen:      {found['source']:.4f} arcsec from the PSF with pixels of 0.1 arcsec,",
      f"{found['fine']:.4f} from that with 0.07")
# 33 pixels become 49 (47.1, rounded up, odd) between the same outermost samples: 0.1 * 32 / 48 = 0.0667
# arcsec, which the kernel's header states as 0.07.
assert abs(found["fine"] / true - 1) < 0.01
assert found["source"] / true < 0.97, "the behaviour has changed"
PYTHON
