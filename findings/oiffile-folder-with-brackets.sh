#!/usr/bin/env bash
# An OIF file in a folder whose name has brackets has no images for oiffile.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 tifffile==2025.10.16 oiffile==2026.2.8
venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import oiffile
import tifffile

print("python", sys.version.split()[0], "numpy", np.__version__, "oiffile", oiffile.__version__)
main = '[ProfileSaveInfo]\r\nName="a"\r\nVersion="1.2.6.0"\r\n'


def write(folder):
    (folder / "a.oif.files").mkdir(parents=True)
    (folder / "a.oif").write_bytes(b"\xff\xfe" + main.encode("utf-16-le"))
    for channel in (1, 2):
        plane = np.full((4, 5), channel, np.uint16)
        tifffile.imwrite(folder / f"a.oif.files/s_C00{channel}.tif", plane)
    return folder / "a.oif"


print("Situation: the same OIF file with two planes in the folders 'plain' and 'run [1]'")
print("Expected:  one series of two planes in both")
seen = {}
for name in ("plain", "run [1]"):
    with oiffile.OifFile(write(Path(name))) as oif:
        seen[name] = [len(series) for series in oif.series]
    print(f"Seen:      {name!r}: planes of each series {seen[name]}")
# The folder's name is a pattern for glob, which is not escaped.
assert seen == {"plain": [2], "run [1]": []}, "the behaviour has changed"
PYTHON
