#!/usr/bin/env bash
# mrcz: pixel sizes in micrometres come back ten times too small; mrcfile finds them infinite in any unit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 packaging==25.0 mrcfile==1.5.4 mrcz==0.6.0
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import mrcfile
import mrcz
import numpy as np

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "mrcfile", "mrcz")))
print("Situation: volumes with a pixel size of 0.3 x 0.2 x 0.1 (Z, Y, X), written by mrcz.writeMRC and read by")
print("           mrcz.readMRC in each of its four units, and by mrcfile, which gives ångström")
print("Expected:  0.3 x 0.2 x 0.1 of the unit; by mrcfile the same in ångström, (x, y, z)")
volume = np.zeros((4, 6, 8), np.float32)
angstrom = {"\\AA": 1, "nm": 10, "\\mum": 1e4, "pm": 0.01}
for unit, factor in angstrom.items():
    mrcz.writeMRC(volume, "volume.mrc", pixelsize=[0.3, 0.2, 0.1], pixelunits=unit)
    header = mrcz.readMRC("volume.mrc", pixelunits=unit)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a division by zero
        with mrcfile.open("volume.mrc") as mrc:
            cell, intervals = mrc.header.cella.tolist(), [int(mrc.header[f"m{axis}"]) for axis in "xyz"]
            voxel = tuple(mrc.voxel_size.tolist())
    read = [round(float(size), 6) for size in header["pixelsize"]]
    print(f"Seen:      {unit:4} mrcz {read}, mrcfile {voxel}; the header has a cell of "
          f"{[round(size, 4) for size in cell]} and {intervals} intervals")
    # The cell is right; the numbers of intervals, by which readers divide it, are left 0.
    assert np.allclose(cell, np.array([0.1, 0.2, 0.3]) * volume.shape[::-1] * factor)
    assert intervals == [0, 0, 0] and not np.isfinite(voxel).any(), "the behaviour has changed"
    true = np.array([0.3, 0.2, 0.1])
    # Written with 1e4 ångström in a micrometre, read with 1e5.
    assert np.allclose(read, true / 10 if unit == "\\mum" else true), "the behaviour has changed"
PYTHON
