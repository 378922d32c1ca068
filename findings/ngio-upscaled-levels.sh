#!/usr/bin/env bash
# ngio darkens the borders of chunks where it makes a finer level from a coarser one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 zarr==3.1.6 \
  dask==2026.8.0 ngio==1.1.3
venv/bin/python -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import ngio
import numpy as np
from scipy.ndimage import zoom

print("python", sys.version.split()[0], "numpy", np.__version__, "ngio", version("ngio"),
      "scipy", version("scipy"), "dask", version("dask"), "zarr", version("zarr"))
print("Situation: an OME-Zarr image of 256 x 256 pixels with chunks of 100 x 100 and a level of 128 x 128;")
print("           1000 is written to all pixels of that level, and consolidate() carries it to the other")
print("Expected:  1000 in all pixels of 256 x 256, as interpolation between equal values gives")
store = ngio.create_ome_zarr_from_array(
    "image.zarr", array=np.zeros((256, 256), np.uint16), pixelsize=0.1, levels=2, chunks=(100, 100),
    consolidation_mode="dask")
coarse = store.get_image(path="1")
coarse.set_array(np.full((128, 128), 1000, np.uint16))
coarse.consolidate(mode="dask")
assert (store.get_image(path="1").get_as_numpy() == 1000).all()
fine = store.get_image(path="0").get_as_numpy()
dark = np.flatnonzero(fine[128] != 1000)
print(f"Seen:      in row 128 columns {dark.tolist()} have {sorted(set(fine[128, dark].tolist()))};",
      f"the corner has {fine[0, 0]}; {(fine != 1000).sum()} pixels of {fine.size} differ from 1000")
# Each chunk is interpolated by itself, by scipy.ndimage.zoom that continues it by 0
# (mode="grid-constant"): a pixel at its border is 3/4 of its value, and 9/16 at its corner.
reference = zoom(np.full((128, 128), 1000, np.uint16), 2, order=1, mode="nearest", grid_mode=True)
assert (reference == 1000).all()
assert fine.shape == (256, 256)
assert dark.tolist() == [0, 199, 200, 255], "the behaviour has changed"
assert (fine[128, dark] == 750).all() and fine[0, 0] in (562, 563), "the behaviour has changed"
PYTHON
