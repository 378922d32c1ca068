#!/usr/bin/env bash
# sewar: the universal quality index of unrelated images is 0.7, and MS-SSIM depends on the order of the colours.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 sewar==0.4.10
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from sewar.full_ref import msssim, ssim, uqi

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "sewar")))
generator = np.random.default_rng(0)


def index(first, second):
    """The index of Wang and Bovik, 2002, from its formula: a mean over all windows of 8 x 8 pixels."""
    windows = [np.lib.stride_tricks.sliding_window_view(image, (8, 8)).reshape(-1, 64) for image in (first, second)]
    means = [values.mean(axis=1) for values in windows]
    variances = [values.var(axis=1) for values in windows]
    covariance = (windows[0] * windows[1]).mean(axis=1) - means[0] * means[1]
    return np.mean(4 * covariance * means[0] * means[1] / (sum(variances) * (means[0] ** 2 + means[1] ** 2)))


print("Situation: uqi of an image and another one with nothing in common, uniform noise between 0 and 255 of 64 x")
print("           64 pixels each; and of a noisy image of a few blobs, 128 x 128, with the clean one")
print("Expected:  the index of Wang and Bovik: 0 where images are uncorrelated")
noise = generator.uniform(0, 255, (2, 64, 64))
rows, columns = np.indices((128, 128))
clean = 100 + 60 * np.sin(rows / 9) * np.cos(columns / 7)
noisy = clean + generator.normal(0, 30, clean.shape)
for name, first, second in (("unrelated noise", *noise), ("noisy and clean", clean, noisy)):
    measured, wanted = uqi(first, second), index(first, second)
    print(f"Seen:      {name}: {measured:.3f}, and {wanted:.3f} by the formula")
    assert measured - wanted > 0.3, "the behaviour has changed"

print("Situation: msssim and ssim of a colour picture whose red has more noise, and of the same two pictures with")
print("           their colours in other orders")
print("Expected:  the same value in any order, the mean of those of the three colours, as ssim gives it")
picture = np.stack([clean, np.roll(clean, 20, axis=0), clean.T], axis=-1)
worse = picture + generator.normal(0, 1, picture.shape) * [60, 5, 5]
single = np.mean([msssim(picture[..., i], worse[..., i], MAX=255) for i in range(3)])
several = {}
for order in ([0, 1, 2], [1, 0, 2], [1, 2, 0]):
    names = "".join("RGB"[i] for i in order)
    several[names] = msssim(picture[..., order], worse[..., order], MAX=255)
    print(f"Seen:      {names}: msssim {several[names]:.4f}, ssim",
          f"{ssim(picture[..., order], worse[..., order], MAX=255)[0]:.4f}")
print(f"           mean of msssim of the three colours: {single:.4f}")
assert np.ptp(list(several.values())) > 0.02, "the behaviour has changed"
PYTHON
