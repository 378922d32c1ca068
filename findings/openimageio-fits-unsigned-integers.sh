#!/usr/bin/env bash
# OpenImageIO: 16-bit FITS of cameras are read 32768 too low, and unsigned integers written halved.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 astropy==8.0.2 OpenImageIO==3.2.2.0
venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import OpenImageIO as oiio
from astropy.io import fits

print("python", sys.version.split()[0],
      *(f"{name} {version(name)}" for name in ("numpy", "astropy", "OpenImageIO")))
print("Situation: FITS images of uint16 and uint32, data types that OpenImageIO's documentation lists for")
print("           FITS. FITS stores them less BZERO, 32768 and 2147483648, as cameras' programs do;")
print("           and FITS images of uint16 that OpenImageIO writes")
values = [0, 100, 1000, 32768, 65535]
print("Expected: ", values, "from each")
seen = {}
for name in ("uint16", "uint32"):
    fits.writeto(f"{name}.fits", np.array([values], name))
    image = oiio.ImageInput.open(f"{name}.fits")
    kind = image.spec().format
    seen[name] = image.read_image(kind)[..., 0].tolist()[0]
    print(f"Seen:      astropy's {name} read by OpenImageIO as {kind}: {seen[name]}")
    image.close()
image = oiio.ImageBuf("uint16.fits").get_pixels(oiio.FLOAT)[0, :, 0]
print(f"Seen:      the same uint16 as floats, white 1: {image.round(3).tolist()}")
array = np.array(values, np.uint16).reshape(1, 5, 1)
writer = oiio.ImageOutput.create("written.fits")
assert writer.open("written.fits", oiio.ImageSpec(5, 1, 1, oiio.UINT16)) and writer.write_image(array)
writer.close()
written = fits.getdata("written.fits")[0].tolist()
print(f"Seen:      OpenImageIO's uint16 read by astropy: {written}")
# Its reader does not apply BZERO, and its writer converts to int16, half as many values.
assert seen["uint16"] == [v - 2**15 for v in values], "the behaviour has changed"
assert seen["uint32"] == [v - 2**31 for v in values], "the behaviour has changed"
assert image[0] < -0.99, "the behaviour has changed"
assert max(abs(w - v / 2) for w, v in zip(written, values)) <= 1, "the behaviour has changed"
PYTHON
