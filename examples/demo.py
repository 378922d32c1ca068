"""Deblur the photographs beside this file, as `make demo` does, and print the results' paths."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unblur.cli import main as unblur

FOLDER = Path(__file__).parent
PIPELINE = "photograph"
ONE_KERNEL = ("--set", "kernel.motion=one-kernel")
"""Settings: the motions are without roll, so that no rotation of the camera need be tried."""
PARTS = {"houses.jpg": (30, 105), "card.jpg": (105, 75), "city.png": (130, 110)}
"""Each photograph, with the first row and column of the part that is drawn, in pixels."""
EDGE, GAP, LINE = 360, 10, 26
"""Edge of a part, width of the gaps, and height of a line of text, in pixels."""
KERNEL_EDGE = 84
"""Edge of a drawn kernel, in pixels."""


def part(file: Path, position: tuple[int, int]) -> Image.Image:
    """Return the part of a photograph that is drawn."""
    top, left = position
    with Image.open(file) as picture:
        return picture.convert("RGB").crop((left, top, left + EDGE, top + EDGE))


def grey(values: NDArray[np.float32]) -> Image.Image:
    """Return a kernel as a square image, its largest value white."""
    side = max(values.shape)
    square = np.zeros((side, side))
    square[: values.shape[0], : values.shape[1]] = values / values.max()
    picture = Image.fromarray(np.uint8(255 * square))
    return picture.resize((KERNEL_EDGE, KERNEL_EDGE), Image.Resampling.NEAREST)


def column(name: str, folder: Path) -> Image.Image:
    """Return a photograph before and after, its kernel in a corner, the confidence below."""
    from unblur import read_kernel
    from unblur.model.confidence import confidence_number

    result = folder / Path(name).with_suffix(".png")
    before, after = part(FOLDER / name, PARTS[name]), part(result, PARTS[name])
    after.paste(grey(read_kernel(result.with_suffix(".psf.tif")).mean.weights))
    drawn = Image.new("RGB", (EDGE, 2 * EDGE + GAP + LINE), "white")
    drawn.paste(before, (0, 0))
    drawn.paste(after, (0, EDGE + GAP))
    text = f"confidence {confidence_number(confidence(result))}"
    font = ImageFont.load_default(18)
    ImageDraw.Draw(drawn).text((0, 2 * EDGE + GAP + 3), text, fill="black", font=font)
    return drawn


def confidence(result: Path) -> float:
    """Return the confidence in an estimated kernel, from the report beside the result."""
    return float(json.loads(result.with_suffix(".json").read_text("utf-8"))["kernel"]["confidence"])


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Return images of one height in a row."""
    width = sum(p.width for p in pictures) + GAP * (len(pictures) - 1)
    row = Image.new("RGB", (width, pictures[0].height), "white")
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
    """Deblur, write the reports, and draw the photographs before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo-output"))
    folder = parser.parse_args().folder
    folder.mkdir(exist_ok=True)
    for name in PARTS:
        result = str(folder / Path(name).with_suffix(".png"))
        run(["run", PIPELINE, str(FOLDER / name), "-o", result, "--overwrite", *ONE_KERNEL])
        run(["report", result, "--overwrite"])
    sheet = folder / "before-after.jpg"
    side_by_side([column(name, folder) for name in PARTS]).save(sheet, quality=90)
    print(f"""
Results      {folder}/*.png, their kernels *.psf.tif
Side by side {sheet}
Reports      {folder}/*.html  (open them in a browser)""")


if __name__ == "__main__":
    main()
