#!/usr/bin/env bash
# ncempy takes every extended header of an MRC file for one of FEI, and a voxel size from it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 h5py==3.15.1 \
  matplotlib==3.10.7 mrcfile==1.5.4 ncempy==1.16
venv/bin/python - <<'PYTHON'
import io
import struct
import sys
from importlib.metadata import version

import mrcfile
import numpy as np
from ncempy.io import mrc

print("python", sys.version.split()[0], "numpy", np.__version__, "ncempy", version("ncempy"),
      "mrcfile", version("mrcfile"))
print("Situation: MRC files of voxels of 3.4 x 1.2 x 1.1 Angstrom (Z, Y, X): without an extended header;")
print("           with the one of CCP4 (EXTTYP 'CCP4'), which is a line of symmetry of 80 characters; and")
print("           with the one of SerialEM ('SERI'), which is integers of 16 bits for each plane")
values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
headers = {"none": b"", "CCP4": b"X,  Y,  Z".ljust(80), "SERI": np.arange(64, dtype="<i2").tobytes()}
size = {}
for kind, content in headers.items():
    name = f"{kind}.mrc"
    with mrcfile.new(name) as file:
        file.set_data(values)
        if content:
            file.set_extended_header(np.frombuffer(content, "V1"))
            file.header.exttyp = kind.encode()
        file.voxel_size = (1.1, 1.2, 3.4)
    assert mrcfile.validate(name, print_file=io.StringIO())
    # The format's definition: cell dimensions (bytes 40 to 51) over intervals (28 to 39), X Y Z.
    header = open(name, "rb").read(1024)
    cell, intervals = struct.unpack_from("<3f", header, 40), struct.unpack_from("<3i", header, 28)
    stated = [a / b for a, b in zip(cell, intervals)][::-1]
    assert np.allclose(stated, (3.4, 1.2, 1.1))
    read = mrc.mrcReader(name)
    assert np.array_equal(read["data"], values)
    size[kind] = [float(value) for value in read["voxelSize"]]
print("Expected:  voxelSize [3.4, 1.2, 1.1] of all, as the main header states")
for kind, seen in size.items():
    print(f"Seen:      extended header {kind}: voxelSize {[float(f'{value:.3g}') for value in seen]}")
# Bytes 44 to 47 of the extended header, as float32 in metres, become the size along Y and X; Z becomes 1.
assert np.allclose(size["none"], (3.4, 1.2, 1.1))
for kind in ("CCP4", "SERI"):
    assert size[kind][0] == 1, "the behaviour has changed"
    pixel = np.frombuffer(headers[kind], "<f4")[11] * np.float64(1e10)
    assert np.allclose(size[kind][1:], pixel, rtol=1e-5, atol=0), "the behaviour has changed"
    assert pixel < 1e-6
PYTHON
