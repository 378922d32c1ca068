#!/usr/bin/env bash
# readlif: get_plane returns the plane of another channel or depth for 16-bit images.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 readlif==0.6.6
venv/bin/python - <<'PYTHON'
import struct
import sys
from importlib.metadata import version

import numpy as np
from readlif.reader import LifFile

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numpy", "readlif")))
print("Situation: LIF images of 3 planes along Z (DimID 3) with 2 channels each, of 8 and of 16 bits;")
print("           all pixels of a plane have the value 10 z + c")


def write_lif(path, values):
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * values.itemsize}" '
        f'LUTName="Gray" BytesInc="{c * values.strides[1]}" BitInc="0"/>' for c in range(2))
    dimensions = "".join(
        f'<DimensionDescription DimID="{number}" NumberOfElements="{extent}" Origin="0" '
        f'Length="{1e-6 * (extent - 1)}" Unit="m" BytesInc="{step}" BitInc="0"/>'
        for number, extent, step in zip((1, 2, 3), values.shape[:1:-1] + values.shape[:1],
                                        values.strides[:1:-1] + values.strides[:1]))
    text = (f'<LMSDataContainerHeader Version="2"><Element Name="project"><Children>'
            f'<Element Name="stack"><Data><Image><ImageDescription><Channels>{channels}</Channels>'
            f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
            f'<Memory Size="{values.nbytes}" MemoryBlockID="Block_1"/></Element></Children></Element>'
            f"</LMSDataContainerHeader>")
    head = struct.pack("<IIBI", 0x70, 2 * len(text) + 5, 0x2A, len(text)) + text.encode("utf-16-le")
    block = struct.pack("<IIBQBI", 0x70, 0, 0x2A, values.nbytes, 0x2A, 7) + "Block_1".encode("utf-16-le")
    with open(path, "wb") as file:
        file.write(head + block + values.tobytes())


planes = [(z, c) for z in range(3) for c in range(2)]
print("Expected: ", [10 * z + c for z, c in planes], "from get_plane and get_frame, for z, c =", planes)
seen = {}
for dtype in (np.uint8, np.uint16):
    values = np.zeros((3, 2, 4, 5), dtype)
    values += (10 * np.arange(3)[:, None] + np.arange(2)).astype(dtype)[..., None, None]
    write_lif("stack.lif", values)
    image = LifFile("stack.lif").get_image(0)
    for name in ("get_frame", "get_plane"):
        seen[name, dtype] = []
        for z, c in planes:
            try:
                plane = (image.get_frame(z=z, c=c) if name == "get_frame"
                         else image.get_plane(c=c, requested_dims={3: z}))
                found = sorted(set(np.asarray(plane).ravel().tolist()))
            except ValueError as error:
                found = [f"ValueError: {error}"]
            seen[name, dtype] += found
        print(f"Seen:      {name} of {8 * values.itemsize:2} bits: {seen[name, dtype]}")
expected = [10 * z + c for z, c in planes]
assert seen["get_frame", np.uint8] == seen["get_frame", np.uint16] == expected
assert seen["get_plane", np.uint8] == expected
# The channel's offset, already in bytes, is multiplied by the bytes of a pixel once more.
assert seen["get_plane", np.uint16][:5] == [0, 10, 10, 20, 20], "the behaviour has changed"
PYTHON
