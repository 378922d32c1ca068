#!/usr/bin/env bash
# RosettaSciIO, the reader of HyperSpy, gives the signed bytes of MRC files as unsigned ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 dask==2026.8.0 mrcfile==1.5.4 \
  SimpleITK==2.5.7 rosettasciio==0.15.0
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import mrcfile
import numpy as np
import SimpleITK
from rsciio.mrc import file_reader

print("python", sys.version.split()[0], "numpy", np.__version__, "rosettasciio", version("rosettasciio"),
      "mrcfile", version("mrcfile"), "SimpleITK", version("SimpleITK"))
print("Situation: an MRC file of mode 0, which MRC2014 defines as signed bytes, written by mrcfile, without")
print("           IMOD's stamp")
values = np.array([[[0, 100, 127], [-1, -56, -128]]] * 2, np.int8)
with mrcfile.new("bytes.mrc") as file:
    file.set_data(values)
    file.voxel_size = 1
header = open("bytes.mrc", "rb").read(1024)
assert header[12:16] == bytes(4), "mode 0"
assert header[152:156] != b"IMOD"
itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("bytes.mrc"))
assert itk.dtype == np.int8 and np.array_equal(itk, values)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    seen = file_reader("bytes.mrc")[0]["data"]
print("Expected: ", values[0].tolist(), "as int8, which SimpleITK reads too")
print("Seen:     ", seen[0].tolist(), f"as {seen.dtype}, {len(caught)} warnings")
# A mean of 0 becomes one of more than 100: what is below 0 has become brighter than what is above.
assert seen.dtype == np.uint8, "the type is no longer uint8: the behaviour has changed"
assert np.array_equal(seen, values.view(np.uint8)), "the behaviour has changed"
assert not caught, "there is a warning now: the behaviour has changed"
PYTHON
