#!/usr/bin/env bash
# Bytes of IMOD above 127 are read by mrcfile as negative numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 mrcfile==1.5.4
venv/bin/python - <<'PYTHON'
import io
import struct
import sys
import warnings

import mrcfile
import numpy as np

print("python", sys.version.split()[0], "numpy", np.__version__, "mrcfile", mrcfile.__version__)
print("Situation: an MRC file of mode 0 with IMOD's stamp (1146047817 in bytes 152 to 155 of the header)")
print("           whose flags (bytes 156 to 159) do not say that bytes are signed. By IMOD's description")
print("           of the format they are unsigned then, as all its bytes were before IMOD 4.2.23.")
counts = np.array([[0, 100, 127], [128, 200, 255]], np.uint8)


def written(name, stamp, flags):
    with mrcfile.new(name, overwrite=True) as file:
        file.set_data(counts.view(np.int8))
    content = bytearray(open(name, "rb").read())
    content[152:160] = struct.pack("<2i", stamp, flags)
    open(name, "wb").write(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with mrcfile.open(name) as file:
            return file.data.copy(), len(caught), mrcfile.validate(name, print_file=io.StringIO())


unsigned = written("unsigned.mrc", 1146047817, 0)
signed = written("signed.mrc", 1146047817, 1)
print("Expected: ", counts.tolist(), "or a warning")
print("Seen:     ", unsigned[0].tolist(), f"as {unsigned[0].dtype}, {unsigned[1]} warnings, valid: {unsigned[2]}")
assert np.array_equal(signed[0], counts.view(np.int8))
assert unsigned[0].dtype == np.int8, "the type is no longer int8: the behaviour has changed"
assert np.array_equal(unsigned[0], counts.view(np.int8)), "the behaviour has changed"
assert unsigned[1] == 0, "there is a warning now: the behaviour has changed"
PYTHON
