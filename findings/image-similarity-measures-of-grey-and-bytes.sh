#!/usr/bin/env bash
# image-similarity-measures: equal grey images have an RMSE of 0.4, and equal colours in bytes an angle of 89 degrees.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==1.26.4 scipy==1.11.4 scikit-image==0.20.0 "imageio<2.35" "tifffile<2024" opencv-python-headless==4.10.0.84
venv/bin/pip install --quiet --disable-pip-version-check --no-deps phasepack==1.5 image-similarity-measures==0.3.6
PYTHONWARNINGS=ignore venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from image_similarity_measures.quality_metrics import psnr, rmse, sam, sre

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scikit-image", "image-similarity-measures")))
generator = np.random.default_rng(0)
colours = generator.integers(0, 256, (64, 64, 3)).astype(np.uint8)
grey = colours[..., 0]

print("Situation: rmse and psnr of a grey image of 64 x 64 bytes and itself, with max_p=255, once as an array of")
print("           rows and columns, for which the functions add an axis, and once with the axis added before")
print("Expected:  RMSE 0 and PSNR infinite, both times")
alone = rmse(grey, grey, max_p=255), psnr(grey, grey, max_p=255)
added = rmse(grey[..., None], grey[..., None], max_p=255), psnr(grey[..., None], grey[..., None], max_p=255)
print(f"Seen:      RMSE {alone[0]:.3f} and PSNR {alone[1]:.1f} dB; {added[0]:.3f} and {added[1]} with the axis added")
assert alone[0] > 0.3 and alone[1] < 10 and added == (0, np.inf), "the behaviour has changed"

print("Situation: sam, the spectral angle, of a colour image and itself, as bytes, as 16 bits (times 200) and as floats")
print("Expected:  0 degrees for each")
angles = {str(values.dtype): float(sam(values, values))
          for values in (colours, colours.astype(np.uint16) * 200, colours.astype(float))}
print("Seen:     ", ", ".join(f"{angle:.1f} degrees of {kind}" for kind, angle in angles.items()))
assert angles["uint8"] > 80 and angles["uint16"] > 80 and angles["float64"] < 0.1, "the behaviour has changed"

print("Situation: sre, the ratio of signal to error in dB, of an image and a noisy one, and of both times 10 and 100")
print("Expected:  the same ratio, as signal and error grow alike")
noisy = colours + generator.normal(0, 10, colours.shape)
ratios = [float(sre(colours * factor, noisy * factor)) for factor in (1.0, 10.0, 100.0)]
print("Seen:     ", ", ".join(f"{ratio:.2f} dB" for ratio in ratios))
assert np.allclose(np.diff(ratios), 10, atol=0.01), "the behaviour has changed"
PYTHON
