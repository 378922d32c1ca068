#!/usr/bin/env bash
# PSFr: the weighted median of stars gives the weights to the wrong stars, so that their order changes the PSF.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 astropy==7.2.0 matplotlib tqdm
venv/bin/pip install --quiet --disable-pip-version-check --no-deps lenstronomy==1.14.2 psfr==0.1.1
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from psfr.psfr import combine_psf

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "lenstronomy", "psfr")))
print("Situation: PSFs of 21 x 21 pixels from three stars, a bright one of amplitude 1000 without noise and two")
print("           faint ones of amplitude 1 with noise, combined by combine_psf with stacking_option=")
print("           'median_weight', in three orders of the stars, each with its own amplitude")
print("Expected:  the PSF of the bright star, whose weight is nearly all of the sum, in any order; 'mean' gives it")
generator = np.random.default_rng(0)
squares = ((np.indices((21, 21)) - 10) ** 2).sum(axis=0)
bright = np.exp(-squares / (2 * 2.0**2))
bright /= bright.sum()
stars = [(bright, 1000.0), *((bright + generator.normal(0, 0.002, bright.shape), 1.0) for _ in range(2))]
for place, order in enumerate(([0, 1, 2], [1, 0, 2], [1, 2, 0])):
    chosen = [stars[i] for i in order]
    combined = {option: combine_psf([kernel for kernel, _ in chosen], bright, stacking_option=option,
                                    amplitude_list=[amplitude for _, amplitude in chosen])
                for option in ("mean", "median_weight")}
    errors = {option: np.sqrt(np.mean((kernel - bright) ** 2)) / bright.max() for option, kernel in combined.items()}
    outside = combined["median_weight"][squares > 64].sum()
    print(f"Seen:      the bright star at place {place + 1}: error {errors['median_weight']:.4f} of the peak",
          f"({errors['mean']:.4f} with 'mean'); {outside:+.3f} of the flux beyond 8 pixels (0 of the star's)")
    assert errors["mean"] < 0.001 and errors["median_weight"] > 0.01, "the behaviour has changed"
    # Each pixel has the smallest of the three values, the middle one or the largest, by the bright star's place.
    assert (outside < -0.5, abs(outside) < 0.1, outside > 0.1)[place], "the behaviour has changed"
PYTHON
