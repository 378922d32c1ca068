#!/usr/bin/env bash
# pyometiff: imageseries picks the metadata of an image, but not its pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 tifffile==2025.10.16 pyometiff==1.1.4
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tifffile
from pyometiff import OMETIFFReader

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "tifffile", "pyometiff")))
print("Situation: an OME-TIFF of two images: an overview of 8 x 8 pixels of 1.0 µm, all 1,")
print("           and a detail of 16 x 16 pixels of 0.1 µm, all 2; OMETIFFReader(path, imageseries=1)")
print("Expected:  the detail: an array of (16, 16), all 2, with its pixel size of 0.1 µm")
with tifffile.TiffWriter("two.ome.tif", ome=True) as file:
    for name, edge, size, value in (("overview", 8, 1.0, 1), ("detail", 16, 0.1, 2)):
        file.write(np.full((edge, edge), value, np.uint16), photometric="minisblack", metadata={
            "axes": "YX", "Name": name, "PhysicalSizeX": size, "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": size, "PhysicalSizeYUnit": "µm"})
for number in (0, 1):
    array, metadata, _ = OMETIFFReader(Path("two.ome.tif"), imageseries=number).read()
    print(f"Seen:      imageseries={number}: an array of {array.shape}, all {array.max()}, with the metadata of "
          f"{metadata['Name']!r}: {metadata['SizeY']} x {metadata['SizeX']} pixels of "
          f"{metadata['PhysicalSizeX']} µm")
# The array is that of tifffile's asarray() without a series.
assert (metadata["Name"], metadata["SizeX"], metadata["PhysicalSizeX"]) == ("detail", 16, 0.1)
assert array.shape == (8, 8) and (array == 1).all(), "the behaviour has changed"
PYTHON
