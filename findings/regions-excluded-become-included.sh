#!/usr/bin/env bash
# regions: a DS9 file whose regions are all excluded is written so that they are read as included.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 astropy==8.0.2 regions==0.12
venv/bin/python - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from regions import Regions

print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("astropy", "regions")))
print("Situation: DS9 files of two circles with a minus, which excludes them, and of one with and one")
print("           without it, read and written again by regions in the formats of DS9 and of FITS")
print("Expected:  what was excluded still is")


def included(regions):
    return [bool(region.meta.get("include", 1)) for region in regions]


both, one = "image\n-circle(5,5,3)\n-circle(30,9,4)\n", "image\n-circle(5,5,3)\ncircle(30,9,4)\n"
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name, text, again in (("both", both, [True, True]), ("one", one, [False, True])):
        Path("a.reg").write_text(text)
        before = Regions.read("a.reg", format="ds9")
        before.write("b.reg", format="ds9", overwrite=True)
        before.write("b.fits", format="fits", overwrite=True)
        after = Regions.read("b.reg", format="ds9")
        by_fits = Regions.read("b.fits", format="fits")
        print(f"Seen:      {name}: included {included(before)}, after DS9 {included(after)}, "
              f"after FITS {included(by_fits)}")
        assert included(before) == included(by_fits) == ([False, False] if name == "both" else [False, True])
        assert included(after) == again, "the behaviour has changed"
        if name == "both":
            # What all regions share is written as a global property, which is not read: the sign
            # of each, which is not written, is.
            lines = Path("b.reg").read_text().split("\n")
            print("Seen:     ", "; ".join(lines[1:5]))
            assert "global include=0" in lines and "-circle" not in "".join(lines)
assert not caught, "the behaviour has changed"
PYTHON
