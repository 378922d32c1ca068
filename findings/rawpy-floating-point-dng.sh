#!/usr/bin/env bash
# rawpy returns zeros for half-float DNG without a white level, and noise for Deflate without a predictor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    numpy==2.3.5 tifffile==2026.3.3 imagecodecs==2026.3.6 rawpy==0.28.0
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import rawpy
import tifffile

print("python", sys.version.split()[0], "numpy", np.__version__, "tifffile", tifffile.__version__,
      "rawpy", rawpy.__version__, "with LibRaw", ".".join(map(str, rawpy.libraw_version)))
rows, columns = np.mgrid[:64, :96]
image = (0.2 + columns / 200 + rows / 500).astype(np.float16)
matrix = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)


def read(dtype, white=None, **options):
    """Write a mosaic of floats as DNG; return the pixels that rawpy reads, relative to white."""
    tags = [
        (33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True),  # RGGB
        (50706, "B", 4, bytes([1, 4, 0, 0]), True), (50708, "s", 0, "Camera", True),  # DNG 1.4
        (50721, "2i", 9, matrix, True), (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
    ]
    tags += [] if white is None else [(50717, "I", 1, white, True)]
    tifffile.imwrite("a.dng", image.astype(dtype), photometric=32803, extratags=tags, metadata=None, **options)
    assert np.array_equal(tifffile.imread("a.dng"), image)
    with rawpy.imread("a.dng") as raw:
        return raw.raw_image_visible / raw.white_level


print("Situation: a mosaic of floats between 0.2 and 0.8, written by tifffile as DNG without a WhiteLevel,")
print("           which is 1.0 by default for floats, or with 1, read by rawpy and divided by its white level;")
print("           tifffile reads the values as they were written")
print("Expected:  the same values, for half floats and floats, however they are compressed, or an error")
deflate = {"compression": "zlib"}
cases = {
    "float32": read(np.float32), "float32, Deflate, predictor 3": read(np.float32, predictor=3, **deflate),
    "float16, WhiteLevel 1": read(np.float16, 1), "float16": read(np.float16),
    "float32, Deflate, no predictor": read(np.float32, **deflate),
}
correct = {name: bool(np.abs(values - image).max() < 0.002) for name, values in cases.items()}
for name, values in cases.items():
    print(f"Seen:      {name}: first values {values[0, :3].round(3).tolist()} of {image[0, :3].tolist()}, "
          f"largest {values.max():.3f}: {'the same' if correct[name] else 'WRONG'}")
assert list(correct.values()) == [True, True, True, False, False], "the behaviour has changed"
assert cases["float16"].max() == 0, "the behaviour has changed"
assert abs(np.corrcoef(cases["float32, Deflate, no predictor"].ravel(), image.ravel())[0, 1]) < 0.2
PYTHON
