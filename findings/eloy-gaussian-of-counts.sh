#!/usr/bin/env bash
# eloy: the Gaussian fitted to a star in counts has an amplitude of 1.5 and twice its width, without a message.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3
venv/bin/pip install --quiet --disable-pip-version-check --no-deps eloy==0.0.11b0
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from eloy.psf import fit_gaussian, moments

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "eloy")))
print("Situation: eloy.psf.fit_gaussian and moments of a noiseless Gaussian star of 31 x 31 pixels with standard")
print("           deviations of 2 and 3 pixels, amplitude 1 and then 1000, on a background of 0 and then 100")
print("Expected:  the fit has the amplitude, the standard deviations and the background of the star, whatever its")
print("           unit; the moments named sigma_x and sigma_y are 2 and 3 as well")
rows, columns = np.indices((31, 31))
star = np.exp(-((rows - 15) ** 2 / (2 * 2**2) + (columns - 15) ** 2 / (2 * 3**2)))
names = ("amplitude", "sigma_x", "sigma_y", "background")
for amplitude, background in ((1, 0), (1000, 0), (1000, 100)):
    image = background + amplitude * star
    fitted, measured = fit_gaussian(image), moments(image)
    print(f"Seen:      amplitude {amplitude}, background {background}:",
          "fitted", ", ".join(f"{name} {fitted[name]:.2f}" for name in names) + ";",
          "moments", ", ".join(f"{name} {measured[name]:.2f}" for name in names[1:3]))
    assert np.allclose([measured["sigma_x"], measured["sigma_y"]], [0.85, 1.27], atol=0.01), "changed"
    if amplitude == 1:
        assert np.allclose([fitted[name] for name in names], [1, 2, 3, 0], atol=0.01), "changed"
    else:
        assert np.isclose(fitted["amplitude"], 1.5), "the behaviour has changed"
        assert fitted["sigma_x"] > 3.5 and fitted["sigma_y"] > 5.5, "the behaviour has changed"
PYTHON
