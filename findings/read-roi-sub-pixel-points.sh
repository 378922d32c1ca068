#!/usr/bin/env bash
# read-roi: fractions of pixels are dropped from ImageJ selections that have any other option.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  setuptools==80.9.0 numpy==2.3.5 roifile==2026.2.10 read-roi==1.6.0
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

from read_roi import read_roi_file
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi, roiread

names = ("roifile", "read-roi")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
points = [[20.25, 30.75], [41.5, 12.375], [8.875, 27.125]]
print("Situation: three beads at", points, "as a selection of ImageJ")
print("           with sub-pixel coordinates, alone and with other options, read by roifile and read-roi")
print("Expected:  these positions: the option of sub-pixel coordinates is one bit among others")
fraction = ROI_OPTIONS.SUB_PIXEL_RESOLUTION
cases = {
    "sub-pixel": (fraction, True),
    "and overlay labels": (fraction | ROI_OPTIONS.OVERLAY_LABELS, False),
    "and draw offset": (fraction | ROI_OPTIONS.DRAW_OFFSET, False),
    "as roifile writes": (None, False),
}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name, (options, kept) in cases.items():
        selection = ImagejRoi.frompoints(points)
        selection.roitype = ROI_TYPE.POINT
        if options is not None:
            selection.options = options
        selection.tofile("beads.roi")
        assert roiread("beads.roi").coordinates().tolist() == points
        (read,) = read_roi_file("beads.roi").values()
        found = [list(point) for point in zip(read["x"], read["y"])]
        print(f"Seen:      {name} (options {int(selection.options)}): read-roi gives {found}")
        # The options are compared with that of sub-pixel coordinates as a whole number.
        assert (found == points) == kept, "the behaviour has changed"
        if not kept:
            assert found == [[20, 31], [42, 12], [9, 27]], "the behaviour has changed"
print(f"Seen:      {len(caught)} warnings")
assert not caught, "the behaviour has changed"
PYTHON
