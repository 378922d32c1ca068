#!/usr/bin/env bash
# imaris-ims-file-reader: [:2] of an axis is its index 2 alone, and [::2] its last index.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 \
  scikit-image==0.25.2 zarr==3.1.6 h5py==3.15.1 psutil==7.2.2 imaris-ims-file-reader==0.1.8
venv/bin/python - <<'PYTHON'
import io
import sys
from contextlib import redirect_stdout
from importlib.metadata import version

import h5py
import numpy as np
from imaris_ims_file_reader.ims import ims


def text(value):
    return np.frombuffer(str(value).encode(), "S1")


volume = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
with h5py.File("volume.ims", "w") as file:
    picture = file.create_group("DataSetInfo/Image")
    for number, (axis, extent) in enumerate(zip("XYZ", volume.shape[::-1])):
        picture.attrs[axis] = text(extent)
        picture.attrs[f"ExtMin{number}"] = text(0)
        picture.attrs[f"ExtMax{number}"] = text(0.5 * extent)
    picture.attrs["Unit"] = text("um")
    file.create_group("DataSetInfo/Channel 0").attrs["Color"] = text("1.000 1.000 1.000")
    times = file.create_group("DataSetInfo/TimeInfo")
    times.attrs["DatasetTimePoints"] = text(1)
    times.attrs["TimePoint1"] = text("2026-01-01 00:00:00.000")
    channel = file.create_group("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0")
    channel.create_dataset("Data", data=volume, chunks=(1, 6, 8))
    for axis, extent in zip("ZYX", volume.shape):
        channel.attrs[f"ImageSize{axis}"] = text(extent)
    channel.attrs["HistogramMin"], channel.attrs["HistogramMax"] = text(0), text(191)

names = ("numpy", "h5py", "imaris-ims-file-reader")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print(f"Situation: an Imaris file of one volume of {volume.shape} voxels (Z, Y, X), opened by ims() and")
print("           indexed by time, channel and Z, and without axes of length 1 compared with the array")
print("Expected:  [0, 0, :2] is the planes 0 and 1, as [0, 0, 0:2], and [0, 0, ::2] the planes 0 and 2")
with redirect_stdout(io.StringIO()):
    file = ims("volume.ims", squeeze_output=False)
cases = {
    "[0, 0, 0:2]": (np.s_[0, 0, 0:2], [0, 1]),
    "[0, 0, 1]": (np.s_[0, 0, 1], [1]),
    "[0, 0, 0:4:2]": (np.s_[0, 0, 0:4:2], [0, 2]),
    "[0, 0, :2]": (np.s_[0, 0, :2], [2]),
    "[0, 0, :3]": (np.s_[0, 0, :3], [3]),
    "[0, 0, ::2]": (np.s_[0, 0, ::2], [3]),
}
for name, (index, planes) in cases.items():
    read = file[index][0, 0]
    found = [int(plane.flat[0]) // 48 for plane in read]
    print(f"Seen:      {name} has {len(read)} of 4 planes: {found}")
    # A slice that has only an end is taken for the index by which an integer was replaced before.
    assert found == planes and (read == volume[found]).all(), "the behaviour has changed"
rows = file[0, 0, 1, :5][0, 0, 0]
print(f"Seen:      [0, 0, 1, :5] has {len(rows)} row of 5, row 5: {(rows == volume[1, 5:6]).all()}")
assert (rows == volume[1, 5:6]).all(), "the behaviour has changed"
with redirect_stdout(io.StringIO()):
    file.close()
    del file
PYTHON
