#!/usr/bin/env bash
# lacosmic: a cosmic ray beside masked pixels lets it mark and overwrite them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 astropy==7.1.1 lacosmic==1.4.0
venv/bin/python - <<'PYTHON'
import logging
import sys
from importlib.metadata import version

import numpy as np
from lacosmic import remove_cosmics

logging.disable(logging.INFO)
print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "scipy", "astropy", "lacosmic")))
print("Situation: remove_cosmics of a frame of 100 with noise of 5 and saturated pixels of 60000, which are")
print("           masked, with a cosmic ray of 20100 in one pixel, beside them or six pixels away")
print("Expected:  the cosmic ray is found and replaced; no masked pixel is marked or changed, since 'masked")
print("           pixels are ignored when identifying cosmic rays'")
frame = np.random.default_rng(0).normal(100, 5, (40, 40))
mask = np.zeros(frame.shape, bool)
mask[15:22, 15:22] = True
frame[mask] = 60000
for column, place in ((22, "beside them"), (27, "six pixels away")):
    hit = frame.copy()
    hit[18, column] += 20000
    cleaned, rays = remove_cosmics(hit, contrast=2, cr_threshold=5, neighbor_threshold=1.5, mask=mask,
                                   effective_gain=1, readnoise=5)
    lost = (cleaned != hit) & mask
    print(f"Seen:      cosmic ray {place}: {int(rays[18, column])} of 1 found; {int((rays & mask).sum())} masked "
          f"pixels marked; {int(lost.sum())} of them now {np.sort(cleaned[lost]).round().astype(int).tolist()}")
    assert rays[18, column] and abs(cleaned[18, column] - 100) < 20
    assert np.array_equal(lost, rays & mask)
    # The mask is applied to the first detection only, not where that is grown by a pixel, twice.
    assert lost.sum() == (5 if column == 22 else 0), "the behaviour has changed"
    assert (cleaned[lost] < 200).all(), "the behaviour has changed"
PYTHON
