"""Real shaken photographs, blind: kernel, confidence and choices, and pictures to look at.

    python benchmarks/real_photographs.py --pictures FOLDER
    python benchmarks/real_photographs.py --only car5 night2 --pictures FOLDER

Every ninth of the 88 photographs of Lai's benchmark, by name, ten in all, is deblurred whole by
`photograph`. There is no truth; what is seen is written by hand into `docs/gallery.md`. The
pictures, before and after with the kernel in a corner, go into FOLDER, outside the project: the set
states no licence. Results: `results/real-photographs`; those of other photographs stay.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from scale_table import Row, earlier_rows, write_table
from unblur.engine import Result, deblur
from unblur.io import read_image
from unblur.model.image import Image
from unblur.pipeline import Pipeline

DATA = Path("../shared/data/lai16/real")
EVERY = 9
"""Distance of the photographs that are taken, in the order of their names, a count."""
KERNEL_SCALE = 4
"""Magnification of the kernel in the picture, dimensionless."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="photographs by name, in place of every ninth")
    parser.add_argument("--pipeline", default="photograph")
    parser.add_argument("--pictures", type=Path, help="folder for pictures to look at")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.only or [path.stem for path in sorted(DATA.glob("*.jpg"))[::EVERY]]
    for name in names:
        row = measure(name, options.pipeline, options.pictures)
        print(row, flush=True)
        rows = [*earlier_rows("real-photographs", ["photograph", "pipeline"], [row]), row]
        write_table(
            "real-photographs",
            "Real shaken photographs of Lai's benchmark",
            sorted(rows, key=lambda r: (r["photograph"], r["pipeline"])),
            "Extent of the kernel in pixels; confidence in [0, 1]; seconds of processor time.",
        )


def measure(name: str, pipeline: str, pictures: Path | None) -> Row:
    """Deblur a photograph and return its row."""
    image = read_image(DATA / f"{name}.jpg")
    began = time.process_time()
    result = deblur(image, Pipeline.load(pipeline))
    seconds = time.process_time() - began
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        write_picture(image, result, pictures / f"{name}.png")
    assert result.kernel is not None
    assert result.report.kernel is not None
    return {
        "photograph": name,
        "pipeline": pipeline,
        "megapixels": round(image.shape[-2] * image.shape[-1] / 1e6, 2),
        "kernel": max(result.kernel.mean.shape),
        "confidence": None if result.confidence is None else round(result.confidence, 2),
        "chosen": ", ".join(result.report.kernel.choices or {}),
        "seconds": round(seconds, 1),
    }


def write_picture(before: Image, result: Result, path: Path) -> None:
    """Write the photograph before and after, with the kernel in a corner of the latter."""
    assert result.kernel is not None
    pair = [np.array(image.data) for image in (before, result.image)]
    weights = np.asarray(result.kernel.mean.weights)
    spot = np.kron(weights / weights.max(), np.ones((KERNEL_SCALE, KERNEL_SCALE)))
    rows, columns = (min(n, m) for n, m in zip(spot.shape, before.shape[-2:], strict=True))
    pair[1][..., :rows, :columns] = (255 * spot[:rows, :columns]).astype(np.uint8)
    picture = np.concatenate(pair, -1)
    PillowImage.fromarray(np.moveaxis(picture, 0, -1) if picture.ndim == 3 else picture).save(path)


if __name__ == "__main__":
    main()
