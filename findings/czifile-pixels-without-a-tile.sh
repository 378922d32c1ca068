#!/usr/bin/env bash
# czifile for Python 3.11 gives values that are in no tile, also for tiles that it cannot decode.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 tifffile==2026.3.3 \
  imagecodecs==2026.3.6 czifile==2019.7.2.3 pylibCZIrw==6.1.0
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import tifffile

import czifile
from pylibCZIrw import czi

print("python", sys.version.split()[0], "numpy", np.__version__, "tifffile", tifffile.__version__,
      "czifile", czifile.__version__)
tile = np.full((64, 64, 1), 7, np.uint16)


def write(path, options, places):
    with czi.create_czi(path, compression_options=options) as writer:
        for place in places:
            writer.write(tile, location=place, plane={"C": 0})
        writer.write_metadata("a", scale_x=1e-7, scale_y=1e-7)
    return path


def read(path, threads):
    """Return the values that asarray gives where new memory holds 255 in each byte."""
    empty = np.empty
    np.empty = lambda *given, **more: (made := empty(*given, **more)).fill(65535) or made
    try:
        with czifile.CziFile(path) as file:
            return sorted(np.unique(file.asarray(max_workers=threads)).tolist())
    except Exception as error:
        return repr(error)
    finally:
        np.empty = empty


apart = write("apart.czi", "uncompressed:", [(0, 0), (192, 192)])
packed = write("packed.czi", "zstd0:ExplicitLevel=2", [(0, 0)])
print("Situation: two tiles of 7 far apart; one tile of 7 that Zstandard compresses")
print("Expected:  values 0 and 7 for the first; 7, or an error, for the second")
seen = {"apart": read(apart, 1), "packed, 1 thread": read(packed, 1),
        "packed, 2 threads": read(packed, 2)}
for name, values in seen.items():
    print(f"Seen:      {name}: {values}")
# The default number of threads is half the number of cores.
assert seen["apart"] == [7, 65535], "pixels without a tile have a value: the behaviour has changed"
assert "KeyError" in seen["packed, 1 thread"]
assert seen["packed, 2 threads"] == [65535], "the error is not lost: the behaviour has changed"
PYTHON
