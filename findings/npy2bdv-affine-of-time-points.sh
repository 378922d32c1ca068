#!/usr/bin/env bash
# npy2bdv writes the affine of the last time point for all time points.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 h5py==3.15.1 \
  scikit-image==0.25.2 tifffile==2025.10.16 npy2bdv==1.1.0
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version
from xml.etree import ElementTree

import npy2bdv
import numpy as np

print("python", sys.version.split()[0], "numpy", np.__version__, "npy2bdv", version("npy2bdv"))
print("Situation: a recording of three time points, each with the affine that undoes its drift along X,")
print("           0, 10 and 20 voxels, given by append_view(stack, time=t, m_affine=...)")
print("Expected:  ViewRegistration has 0, 10 and 20 for time points 0, 1 and 2: BigDataViewer's XML has one")
print("           per time point and setup, and npy2bdv's description names one for each individual view")
stack = np.full((4, 16, 16), 100, np.uint16)
writer = npy2bdv.BdvWriter("drift.h5")
for time in range(3):
    affine = np.eye(3, 4)
    affine[0, 3] = 10 * time
    writer.append_view(stack, time=time, m_affine=affine, name_affine=f"drift of time point {time}")
writer.write_xml()
writer.close()

seen = {}
for view in ElementTree.parse("drift.xml").findall("./ViewRegistrations/ViewRegistration"):
    transform = view.find("ViewTransform")
    values = [float(text) for text in transform.find("affine").text.split()]
    seen[int(view.get("timepoint"))] = (transform.find("Name").text, values[3])
for time, (name, shift) in sorted(seen.items()):
    print(f"Seen:      time point {time}: {shift:g} voxels, named {name!r}")
# The affines are kept by setup (channel, tile, angle, illumination), each call replacing the last.
assert sorted(seen) == [0, 1, 2]
assert all(entry == ("drift of time point 2", 20) for entry in seen.values()), "the behaviour has changed"
editor = npy2bdv.BdvEditor("drift.h5")
assert [editor.read_affine(time=time)[0, 3] for time in range(3)] == [20, 20, 20]
PYTHON
