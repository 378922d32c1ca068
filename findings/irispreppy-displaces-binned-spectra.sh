#!/usr/bin/env bash
# irispreppy: deconvolving spectra whose pixels the camera has summed by 4 displaces them along the slit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 scipy==1.16.3 astropy==7.2.0 "numba<0.66" irispreppy==3.1.4
venv/bin/python - <<'PYTHON'
import pickle
import sys
from importlib.metadata import version
from pathlib import Path

import irispreppy
import numpy as np
from astropy.io import fits

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "astropy", "irispreppy")))
print("Situation: a bright thread across the slit of IRIS, blurred by the PSF that irispreppy has for FUV 1, and")
print("           recorded with the pixels along the slit summed by 1, 2, 4 and 8, as CDELT2 states;")
print("           irispreppy.deconvolve restores each, with its 10 iterations")
print("Expected:  the restored thread is where it was, nearer to the true one than the recorded thread")
psf = pickle.loads((Path(irispreppy.__file__).parent / "psf" / "IRIS_SG_PSFs.pkl").read_bytes())["sg_psf_1336"]
size, middle = 1088, 544
rows = np.arange(size)
true = 20 + 1000 * np.exp(-((rows - middle) ** 2) / (2 * 10.0**2))
kernel = np.zeros(size)
kernel[:420] = psf  # its peak is sample 210
blurred = np.fft.ifft(np.fft.fft(true) * np.fft.fft(np.roll(kernel, -210))).real
for factor in (1, 2, 4, 8):
    recorded, wanted = (values.reshape(-1, factor).sum(axis=1) for values in (blurred, true))
    primary = fits.PrimaryHDU()
    primary.header.update(NEXP=2, TDESC1="C II 1336", TDET1="FUV1", HISTORY="made for this test")
    window = fits.ImageHDU(np.repeat(np.repeat(recorded[None, :, None], 5, axis=2), 2, axis=0))
    window.header["CDELT2"] = factor / 6
    restored = irispreppy.deconvolve(fits.HDUList([primary, window]))[1].data[0, :, 2]
    peak = (restored.argmax() - wanted.argmax()) * factor
    before, after = (np.sqrt(np.mean((values - wanted) ** 2)) / np.ptp(wanted) for values in (recorded, restored))
    print(f"Seen:      summed by {factor}: the peak is {peak} of the smallest pixels beside its place; the error")
    print(f"           is {before:.4f} of the range before and {after:.4f} after")
    if factor == 4:
        assert peak == 4 and after > 5 * before, "the behaviour has changed"
    else:
        assert abs(peak) <= factor and after < before, "the behaviour has changed"
PYTHON
