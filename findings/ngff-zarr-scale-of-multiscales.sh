#!/usr/bin/env bash
# ngff-zarr drops the scale that OME-Zarr states for all levels; ngio applies it to sizes, not to origins.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 zarr==3.1.6 dask==2026.8.0 \
  ngff-zarr==0.50.0 ngio==1.1.3
venv/bin/python -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import ngff_zarr
import ngio
import numpy as np
import zarr

print("python", sys.version.split()[0], "ngff-zarr", version("ngff-zarr"), "ngio", version("ngio"),
      "zarr", version("zarr"))
print("Situation: an OME-Zarr image of version 0.4 with levels of 16 x 16 and 8 x 8 pixels; the datasets state")
print("           scale 1 and 2 and a translation, in pixels, and multiscales states the pixel size for all")
print("           of them, scale [0.5, 0.1] micrometres, which by the format is applied after the former")
size = np.array([0.5, 0.1])
levels = {"0": (1.0, (10.0, 20.0)), "1": (2.0, (10.5, 20.5))}
group = zarr.open_group("image.zarr", mode="w", zarr_format=2)
for path, (scale, _) in levels.items():
    extent = int(16 / scale)
    group.create_array(path, shape=(extent, extent), dtype="uint16", chunks=(16, 16))[:] = 7
datasets = [{"path": path, "coordinateTransformations": [
    {"type": "scale", "scale": [scale, scale]},
    {"type": "translation", "translation": list(translation)}]}
    for path, (scale, translation) in levels.items()]
axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
group.attrs["multiscales"] = [{"version": "0.4", "name": "image", "axes": axes, "datasets": datasets,
                               "coordinateTransformations": [{"type": "scale", "scale": size.tolist()}]}]
# (index * scale + translation) * size, so that both are multiplied.
expected = [(scale * size, np.array(translation) * size) for scale, translation in levels.values()]
image = ngff_zarr.from_ngff_zarr("image.zarr")
store = ngio.open_ome_zarr_container("image.zarr")
seen = {"ngff-zarr": [tuple(np.array([values["y"], values["x"]])
                            for values in (level.scale, level.translation)) for level in image.images],
        "ngio": [tuple(np.array(values) for values in (level.scale, level.translation))
                 for level in (store.get_image(path=path).dataset for path in levels)]}
for path, (scale, origin) in zip(levels, expected):
    print(f"Expected:  level {path}: pixels of {scale.tolist()}, origin {origin.tolist()} micrometres")
for name, found in seen.items():
    for path, (scale, origin) in zip(levels, found):
        print(f"Seen:      level {path}, {name}: pixels of {scale.tolist()}, origin {origin.tolist()}")
for n, (scale, translation) in enumerate(levels.values()):
    # ngff-zarr looks for the transformations beside "multiscales", not in it.
    assert np.allclose(seen["ngff-zarr"][n][0], scale), "the behaviour of ngff-zarr has changed"
    assert np.allclose(seen["ngff-zarr"][n][1], translation), "the behaviour of ngff-zarr has changed"
    # ngio multiplies the scales and adds the translations.
    assert np.allclose(seen["ngio"][n][0], expected[n][0])
    assert np.allclose(seen["ngio"][n][1], translation), "the behaviour of ngio has changed"
PYTHON
