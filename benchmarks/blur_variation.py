"""Evidence of a rotating camera on photographs with one kernel and with a rotation.

    python benchmarks/blur_variation.py PHOTO... [--half report]

Each photograph, at most 640 x 960 pixels of its upper left part, is blurred by one kernel of 13
and one of 27 pixels, and shaken by warps (`shake_image`) over 10 to 16 pixels and 1 and 2 degrees,
with 1 % noise, in 8 bits. Printed is what `measure_variation` of the estimator `photograph` finds.
Results: `results/blur-variation`; the rows of the half that is not run stay.
"""

from __future__ import annotations

import argparse
import time
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from scale_table import Row, earlier_rows, write_table
from unblur.accel.parallel import one_thread
from unblur.model.context import Context
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    camera_path,
    gaussian_process_kernel,
    shake_image,
    shake_kernel,
)
from unblur.training.images import read_luma
from unblur_classic.map.preprocessing import preprocess
from unblur_classic.map.search.kernel_search import search_kernel
from unblur_classic.photograph.variation import Variation, measure_variation

EXTENT = (640, 960)
"""Largest extent of a photograph, (rows, columns), pixels."""
ROTATIONS = (0, 0, 1, 2)
"""Rotation of the camera from end to end in each case of a photograph, degrees."""
KERNELS = ((shake_kernel, 13), (gaussian_process_kernel, 27))
"""Kernel of the cases without a rotation: its function, and its extent in pixels."""
NOISE = 0.01
"""Standard deviation of the noise, white = 1."""
SPAN = (10, 16)
"""Range of the shifts of the camera, pixels."""


def blurred_case(photo: Path, case: int) -> Tensor:
    """Return a photograph (H, W) of 8 bits, blurred as case `case` of `ROTATIONS`, white = 1."""
    generator = torch.Generator().manual_seed(sum(map(ord, photo.stem)) + case)
    sharp = read_luma(photo).float()[: EXTENT[0], : EXTENT[1]] / 255
    rotation = ROTATIONS[case]
    if rotation:
        low, high = SPAN
        span = low + (high - low) * float(torch.rand((), generator=generator))
        blurred = shake_image(sharp, camera_path(span, rotation, generator)).blurred
    else:
        draw, size = KERNELS[case]
        blurred = blur_image(sharp[None], draw(size, generator))[0]
    noisy = add_gaussian_noise(blurred, NOISE, generator).clamp(0, 1)
    return (255 * noisy).round() / 255


def describe(variation: Variation | None) -> Row:
    """Return the columns of what was measured."""
    if variation is None:
        return {"spread": "not measured", "prediction error": "", "camera is tried": "no"}
    error = variation.prediction_error
    return {
        "spread": round(variation.spread, 3),
        "prediction error": round(error, 2) if isfinite(error) else "",
        "camera is tried": "yes" if variation.is_clear else "no",
    }


def main() -> None:
    """Blur and measure every photograph, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--half", choices=("tune", "report"), default="report")
    options = parser.parse_args()
    rows: list[Row] = []
    context = Context()
    for photo in options.photos:
        for case, rotation in enumerate(ROTATIONS):
            with one_thread():
                given = preprocess(blurred_case(photo, case)[None], context)
            found = search_kernel(given, context)
            began = time.process_time()
            variation = measure_variation(given, found, context)
            seconds = time.process_time() - began
            rows.append(
                {
                    "half": options.half,
                    "photograph": photo.stem,
                    "rotation, degrees": rotation,
                    **describe(variation),
                    "processor s": round(seconds, 1),
                }
            )
            print(rows[-1], flush=True)
    earlier = earlier_rows("blur-variation", ["half"], rows)
    title = "Evidence of a rotating camera"
    remark = (
        "Squared error with which a rotating camera predicts the kernel of a part of the image "
        "from those of the others, relative to that of their mean. Its threshold, 1, was compared "
        "with oakland-zoo-otters, roman-colosseum, casa-mila and the-spices-of-life, which are not "
        "in the table."
    )
    write_table("blur-variation", title, [*earlier, *rows], remark, "sum of the name's characters")


if __name__ == "__main__":
    main()
