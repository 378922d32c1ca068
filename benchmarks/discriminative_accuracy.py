"""How often the classifier of `discriminative` is right, by size of the image.

    python benchmarks/discriminative_accuracy.py ../shared/data/bsds500/val ../shared/data/kodak \
        -o benchmarks/results/discriminative_accuracy.json
    python benchmarks/discriminative_accuracy.py ... --weights other.safetensors

Every picture (luma) is judged as it is and blurred by a camera's motion of 7 to 51 pixels with 1 %
of noise, seeded by the picture's number, at full size and shrunk by 2 and by 4. Only pixels that
see the picture alone are kept, of both. Prints percentages of right verdicts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from unblur.pyramid import shrink_image
from unblur.synthesis import Pair, add_gaussian_noise, blur_image, crop_valid
from unblur.training.pictures import picture_files, read_luma
from unblur_discriminative.recipe import draw_kernel
from unblur_discriminative.weights import load_classifier

NOISE = 0.01
FACTORS = (1, 2, 4)


def pair_of(number: int, path: Path) -> Pair:
    """Return picture number `number`, blurred and noisy, and as it is."""
    generator = torch.Generator().manual_seed(number)
    kernel = draw_kernel(generator)
    sharp = read_luma(path).float() / 255
    blurred = add_gaussian_noise(blur_image(sharp, kernel), NOISE, generator)
    return Pair(blurred, crop_valid(sharp, kernel))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--weights", default="general", help="a name or a file")
    options = parser.parse_args()
    classifier = load_classifier(options.weights, torch.float32, torch.device("cpu"))
    rows = []
    for folder in options.folders:
        right = {factor: [0, 0] for factor in FACTORS}
        files = picture_files(folder)
        for number, path in enumerate(files):
            pair = pair_of(number, path)
            for factor in FACTORS:
                blurred, sharp = (shrink_image(x, 1 / factor)[None, None] for x in pair)
                with torch.no_grad():
                    right[factor][0] += int(classifier(blurred) > 0)
                    right[factor][1] += int(classifier(sharp) <= 0)
        for factor, (of_blurred, of_sharp) in right.items():
            rows.append(
                {
                    "set": folder.name,
                    "pictures": len(files),
                    "shrunk by": factor,
                    "accuracy": round(50 * (of_blurred + of_sharp) / len(files), 1),
                    "of the blurred": round(100 * of_blurred / len(files), 1),
                    "of the sharp": round(100 * of_sharp / len(files), 1),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
