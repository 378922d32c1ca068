#!/usr/bin/env bash
# flirpy: humidity in percent changes temperatures by degrees, the other byte order by a hundred.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5
venv/bin/pip install --quiet --disable-pip-version-check --no-deps flirpy==0.6.2
venv/bin/python - <<'PYTHON'
import struct
import sys
from importlib.metadata import version

import numpy as np
from flirpy.io.fff import Fff

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numpy", "flirpy")))


def fff(raw, humidity, order):
    """Return the bytes of an FFF file, the thermal record of FLIR's cameras, in the byte order `order`."""
    pixels = struct.pack(order + "3H", 2, raw.shape[1], raw.shape[0]).ljust(32, b"\0")
    pixels += raw.astype(order + "u2").tobytes()
    camera = bytearray(0x470)
    struct.pack_into(order + "3H", camera, 0, 2, raw.shape[1], raw.shape[0])
    # Emissivity, distance in m, temperatures in K of what is reflected, of the air and of the window, its
    # transmission, relative humidity, Planck R1, B, F, atmospheric alpha 1 and 2, beta 1 and 2, X, Planck R2.
    for place, value in ((0x20, 1.0), (0x24, 10.0), (0x28, 293.15), (0x2C, 293.15), (0x30, 293.15), (0x34, 1.0),
                         (0x3C, humidity), (0x58, 21106.77), (0x5C, 1501.0), (0x60, 1.0), (0x70, 0.006569),
                         (0x74, 0.01262), (0x78, -0.002276), (0x7C, -0.00667), (0x80, 1.9), (0x30C, 0.012545)):
        struct.pack_into(order + "f", camera, place, value)
    struct.pack_into(order + "i", camera, 0x308, -7340)
    camera[0x104:0x10E] = b"SN12345678"
    entries, records = b"", b""
    # Of the subtypes of raw data 1 is big-endian and 2 little-endian.
    for kind, subtype, record in ((1, 1 if order == ">" else 2, pixels), (0x20, 1, bytes(camera))):
        entries += struct.pack(order + "2H7I", kind, subtype, 100, 1, 128 + len(records), len(record), 0, 0, 0)
        records += record
    head = struct.pack(order + "4s16s5I7H3I", b"FFF\0", b"camera", 101, 64, 2, 2, 0, *[0] * 7, 0, 0, 0)
    return head.ljust(64, b"\0")[:64] + entries + records


raw = np.array([[16000, 17000, 18000]])
read = {(humidity, order): Fff(fff(raw, humidity, order)) for humidity in (0.5, 50.0) for order in "<>"}
image = read[0.5, "<"]
temperatures = {key: file.get_radiometric_image().round(1).ravel().tolist() for key, file in read.items()}

print("Situation: a FLIR image at 10 m through air of 20 degrees Celsius with a relative humidity of one half,")
print("           stated as 0.5 and as 50, the two forms that flirpy's source names")
print("Expected:  the same temperatures from both")
for humidity in (0.5, 50.0):
    print(f"Seen:      humidity {humidity}: {temperatures[humidity, '<']} degrees Celsius")
difference = np.subtract(temperatures[50.0, "<"], temperatures[0.5, "<"])
assert image.meta["Relative Humidity"] == 0.5 and read[50.0, "<"].meta["Relative Humidity"] == 50
# The number is divided by 100 and only then compared with 2, so that 50 counts as 5000 %.
assert (np.abs(difference) > 1).all(), "the behaviour has changed"

print("Situation: the temperature of the air in the metadata, stored as 293.15 kelvin, and the serial number,")
print("           stored as SN12345678")
print("Expected:  20.00 degrees Celsius and SN12345678")
air, serial = image.meta["Atmospheric Temperature"], image.meta["CameraSerialNumber"]
print(f"Seen:      {air:.2f} degrees Celsius and {serial!r}")
assert np.isclose(air, 20.01, atol=0.001) and b"SN" not in serial, "the behaviour has changed"

print("Situation: the same image, humidity 0.5, stored with the most significant byte first, as the type of its")
print("           record states")
print("Expected:  16000, 17000, 18000 and the temperatures above")
values = read[0.5, ">"].get_image().ravel().tolist()
print(f"Seen:      {values}, {temperatures[0.5, '>']} degrees Celsius")
assert image.get_image().ravel().tolist() == raw.ravel().tolist()
assert read[0.5, ">"].meta["Object Distance"] == 10  # the metadata are read in that order
assert values == raw.astype(np.uint16).byteswap().ravel().tolist(), "the behaviour has changed"
PYTHON
