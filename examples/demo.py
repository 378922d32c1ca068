"""Deblur the photograph beside this file, as `make demo` does, and print the results' paths."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unblur.cli import main as unblur

PHOTOGRAPH = Path(__file__).with_name("clock.png")
PIPELINE = "schuler-svmap"
GAP = 12
"""Width of the white gap between adjacent images, pixels."""


def grey(values: NDArray[np.float32], height: int) -> Image.Image:
    """Return an array as a grey image of `height` pixels, its largest value white."""
    picture = Image.fromarray(np.uint8(255 * np.clip(values / values.max(), 0, 1)))
    width = round(height * values.shape[1] / values.shape[0])
    return picture.resize((width, height), Image.Resampling.NEAREST)


def side_by_side(*pictures: Image.Image) -> Image.Image:
    """Return images of one height in a row."""
    width = sum(p.width for p in pictures) + GAP * (len(pictures) - 1)
    row = Image.new("L", (width, pictures[0].height), 255)
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + GAP
    return row


def run(arguments: list[str]) -> None:
    """Run the command `unblur`; leave the process only if it fails."""
    try:
        unblur(arguments)
    except SystemExit as end:
        if end.code:
            raise


def main() -> None:
    """Deblur, write the report, and draw the images before and after, and the kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo-output"))
    folder = parser.parse_args().folder
    folder.mkdir(exist_ok=True)
    result = folder / PHOTOGRAPH.name
    run(["run", PIPELINE, str(PHOTOGRAPH), "-o", str(result), "--overwrite"])
    run(["report", str(result), "--overwrite"])

    from unblur import read_kernel

    before, after = Image.open(PHOTOGRAPH), Image.open(result)
    height = 2 * before.height
    size = (2 * before.width, height)
    kernel = grey(read_kernel(result.with_suffix(".psf.tif")).mean.weights, height)
    kernel.save(folder / "kernel.png")
    side_by_side(before.resize(size), after.resize(size), kernel).save(folder / "before-after.png")
    print(f"""
Result      {result}
Kernel      {folder / "kernel.png"}  (as numbers: {result.with_suffix(".psf.tif")})
Side by side {folder / "before-after.png"}
Report      {result.with_suffix(".html")}  (open it in a browser)""")


if __name__ == "__main__":
    main()
