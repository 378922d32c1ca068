#!/usr/bin/env bash
# microscopy-metrics: the sampling distance along Z stays that of the first aperture, and wavelengths change their unit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5
venv/bin/pip install --quiet --disable-pip-version-check --no-deps microscopy-metrics==1.0.1.dev0
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from microscopy_metrics.resolutionTools.theoretical_resolution import TheoreticalResolution

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "microscopy-metrics")))


def microscope(aperture):
    made = TheoreticalResolution.getInstance("widefield")
    made.numericalAperture, made.emissionWavelength = aperture, 520
    return made


print("Situation: getSamplingDistance of a widefield microscope at 520 nm with a numerical aperture of 0.9, then")
print("           numericalAperture set to 1.4, and of another one made with 1.4 from the start, in micrometres")
print("Expected:  the same distances for 1.4 from both")
changed = microscope(0.9)
before = np.array(changed.getSamplingDistance())
changed.numericalAperture = 1.4
after, wanted = np.array(changed.getSamplingDistance()), np.array(microscope(1.4).getSamplingDistance())
for name, distance in (("0.9", before), ("1.4 after 0.9", after), ("1.4 from the start", wanted)):
    print(f"Seen:      {name}: {distance[0]:.3f} along Z and {distance[1]:.3f} along Y and X")
assert np.isclose(after[0], before[0]) and before[0] > 3 * wanted[0], "the behaviour has changed"
assert np.allclose(after[1:], wanted[1:]), "the behaviour has changed"

print("Situation: the lateral resolution of a new widefield microscope, whose wavelength is 450 by default, and of")
print("           one whose emissionWavelength is set to that number")
print("Expected:  the same resolution")
default, stated = (TheoreticalResolution.getInstance("widefield") for _ in range(2))
stated.emissionWavelength = default.emissionWavelength
resolutions = [tool.getTheoreticalResolution()[2] for tool in (default, stated)]
print(f"Seen:      {resolutions[0]:.3f} by default, {resolutions[1]:.3f} if it is set to the default")
assert np.isclose(resolutions[0], 1000 * resolutions[1]), "the behaviour has changed"
PYTHON
