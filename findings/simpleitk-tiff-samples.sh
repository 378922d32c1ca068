#!/usr/bin/env bash
# SimpleITK reads the channels of a TIFF that lie pixel by pixel as neighbouring pixels of one image.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 tifffile==2025.10.16 \
  SimpleITK==2.5.7
venv/bin/python - 2>errors.txt <<'PYTHON' || { cat errors.txt >&2; exit 1; }
import sys
from importlib.metadata import version

import numpy as np
import SimpleITK
import tifffile

print("python", sys.version.split()[0], "numpy", np.__version__, "SimpleITK", version("SimpleITK"),
      "tifffile", tifffile.__version__)
print("Situation: TIFF files of 5 x 6 pixels with 2 and 4 channels: PhotometricInterpretation MinIsBlack,")
print("           PlanarConfiguration 1 (the channels of a pixel one after the other), ExtraSamples 0")
print("Expected:  2 and 4 components per pixel, as from the same file with PhotometricInterpretation RGB, or")
print("           the first channel, or an error")
shapes = {}
for channels in (2, 4):
    for dtype in (np.uint8, np.uint16, np.float32):
        values = (np.arange(channels)[None, None] * 100 + np.arange(30).reshape(5, 6, 1)).astype(dtype)
        for kind in ("minisblack", "rgb") if channels == 4 else ("minisblack",):
            name = f"{kind}{channels}.tif"
            tifffile.imwrite(name, values, photometric=kind, planarconfig="contig", metadata=None)
            with tifffile.TiffFile(name) as file:
                page = file.pages[0]
                assert (page.samplesperpixel, page.planarconfig) == (channels, 1)
                # The bytes of the strip, which are not compressed.
                file.filehandle.seek(page.dataoffsets[0])
                assert file.filehandle.read(page.databytecounts[0]) == values.tobytes()
            read = SimpleITK.ReadImage(name)
            seen = SimpleITK.GetArrayFromImage(read)
            if kind == "rgb":
                assert np.array_equal(seen, values)
                continue
            shapes[channels, np.dtype(dtype).name] = seen.shape
            assert seen.dtype == dtype
            assert read.GetNumberOfComponentsPerPixel() == 1, "the behaviour has changed"
            # A row holds the first 6 of its 6 * channels numbers.
            assert np.array_equal(seen, values.reshape(5, -1)[:, :6]), "the behaviour has changed"
            if dtype == np.uint16:
                print(f"Seen:      {channels} channels: 1 component, first row {seen[0].tolist()}, where the",
                      f"first channel has {values[0, :, 0].tolist()}")
assert len(shapes) == 6
PYTHON
echo "           $(grep -c . errors.txt || true) messages on standard error"
[ ! -s errors.txt ] || { cat errors.txt >&2; echo "there is a warning now: the behaviour has changed" >&2; exit 1; }
