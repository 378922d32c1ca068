#!/usr/bin/env bash
# sunkit-image: the Fourier normalizing radial gradient filter leaves a part of the mean in every ring.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 scipy==1.16.3 astropy==7.2.0 scikit-image==0.25.2 sunpy==7.0.5 sunkit-image==0.6.1 \
    matplotlib reproject mpl-animators
PYTHONWARNINGS=ignore venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import astropy.units as u
import numpy as np
import sunpy.map
from sunkit_image.radial import fnrgf

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "astropy", "sunpy", "sunkit-image")))
print("Situation: a map of the corona that is 100 everywhere, filtered by sunkit_image.radial.fnrgf with")
print("           ratio_mix=[0, 1], the filtered image alone; the mean of each ring is attenuated by factors")
print("           that fall from 1, of the constant, to 0, of the last harmonic (mean_attenuation_range)")
print("Expected:  the constant, whose factor is 1, is subtracted in full: 0 whatever the order")
size = 64
header = {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
          "CDELT1": 80.0, "CDELT2": 80.0, "CRPIX1": (size + 1) / 2, "CRPIX2": (size + 1) / 2,
          "CRVAL1": 0.0, "CRVAL2": 0.0, "HGLN_OBS": 0.0, "HGLT_OBS": 0.0, "DSUN_OBS": 1.496e11,
          "RSUN_REF": 6.957e8, "DATE-OBS": "2020-01-01T00:00:00"}
corona = sunpy.map.Map(np.full((size, size), 100.0), header)
rings = np.array([[0, 1, 1.5, 2], [1, 1.5, 2, 4]]) * u.R_sun
for order in (1, 2, 3, 10):
    values = {}
    for last in (0.0, 1.0):
        filtered = fnrgf(corona, order=order, radial_bin_edges=rings, ratio_mix=[0, 1],
                         mean_attenuation_range=[1.0, last])
        values[last] = float(np.nanmedian(filtered.data))
    print(f"Seen:      order {order}: {values[0.0]:.1f} with factors from 1 to 0, {abs(values[1.0]):.1f} with 1 for all")
    # The constant gets the second factor, that of the first harmonic: 1 - 1 / order.
    assert np.isclose(values[0.0], 100 / order), "the behaviour has changed"
    assert np.isclose(values[1.0], 0, atol=1e-6), "the behaviour has changed"
PYTHON
