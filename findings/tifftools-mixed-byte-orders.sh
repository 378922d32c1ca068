#!/usr/bin/env bash
# tifftools: pixels keep the byte order of their own file when files of two byte orders are joined.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  numpy==2.3.5 tifffile==2025.10.16 tifftools==1.7.0
venv/bin/python - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import tifffile

names = ("numpy", "tifffile", "tifftools")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: the same image of 16 bits in little.tif and, in the other byte order, as ImageJ writes it, in")
print("           big.tif; `tifftools concat` of both, and `tifftools set --bigendian` of little.tif")
image = np.arange(1000, 1024, dtype=np.uint16).reshape(4, 6)
tifffile.imwrite("little.tif", image, byteorder="<")
tifffile.imwrite("big.tif", image, byteorder=">")


def tifftools(*arguments):
    result = subprocess.run([sys.executable, "-m", "tifftools", *arguments],
                            capture_output=True, text=True, check=True)
    print(f"           tifftools {' '.join(arguments)}: printed {(result.stdout + result.stderr)!r}")


tifftools("concat", "little.tif", "big.tif", "both.tif")
tifftools("set", "--bigendian", "little.tif", "set.tif")
print("Expected:  the pixels of the image,", image[0].tolist(), "in each page, or an error")
with tifffile.TiffFile("both.tif") as both, tifffile.TiffFile("set.tif") as changed:
    assert changed.byteorder == ">"
    first, second = (page.asarray() for page in both.pages)
    third = changed.pages[0].asarray()
for name, page in (("both.tif, page 1", first), ("both.tif, page 2", second), ("set.tif", third)):
    print(f"Seen:      {name:16} {page[0].tolist()}")
assert np.array_equal(first, image)
# Tags are converted to the byte order of the new file, strips are copied.
assert np.array_equal(second, image.byteswap()), "the behaviour has changed"
assert np.array_equal(third, image.byteswap()), "the behaviour has changed"
PYTHON
