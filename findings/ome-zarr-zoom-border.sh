#!/usr/bin/env bash
# Lower levels that ome-zarr makes by its method "zoom" have zeros in their last row and column.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 \
  scikit-image==0.25.2 zarr==3.1.6 dask==2026.8.0 ome-zarr==0.18.0
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import dask.array
import numpy as np
import zarr
from ome_zarr.scale import Methods
from ome_zarr.writer import write_image

print("python", sys.version.split()[0], "numpy", np.__version__, "ome-zarr", version("ome-zarr"),
      "scipy", version("scipy"), "dask", version("dask"), "zarr", version("zarr"))
print("Situation: an image of 64 x 64 and one of 256 x 256 pixels in chunks of 100 x 100, all of 1000,")
print("           uint16, written with the levels 1/2, 1/4 and 1/8 by each method of ome_zarr.scale.Methods")
print("Expected:  all pixels of all levels are 1000")
images = {"64 x 64": np.full((64, 64), 1000, np.uint16),
          "256 x 256": dask.array.full((256, 256), 1000, dtype=np.uint16, chunks=(100, 100))}
zeros = {}
for method in (Methods.RESIZE, Methods.NEAREST, Methods.LOCAL_MEAN, Methods.ZOOM):
    for size, image in images.items():
        group = zarr.open_group("image.zarr", mode="w")
        write_image(image, group, axes="yx", scale_factors=(2, 4, 8), method=method)
        levels = [group[f"s{n}"][...] for n in range(4)]
        assert all(set(np.unique(level)) <= {0, 1000} for level in levels)
        # True for a level whose zeros are its last row and column, and nothing else.
        border = [not level[-1].any() and not level[:, -1].any() and (level[:-1, :-1] == 1000).all()
                  for level in levels]
        zeros[method, size] = border
        if any(border):
            print(f"Seen:      {method.name}, {size}: last row and column are 0 in levels",
                  *(f"{level.shape[0]} x {level.shape[1]}" for level, dark in zip(levels, border) if dark))
        else:
            assert all((level == 1000).all() for level in levels)
            print(f"Seen:      {method.name}, {size}: all pixels are 1000")
# scipy.ndimage.zoom, which continues an image by 0, is applied to each chunk by 1/2, and the last
# sample of a chunk lies beyond its last pixel by a rounding error.
assert zeros[Methods.ZOOM, "64 x 64"] == [False, False, True, True], "the behaviour has changed"
assert zeros[Methods.ZOOM, "256 x 256"] == [False, True, True, True], "the behaviour has changed"
PYTHON
