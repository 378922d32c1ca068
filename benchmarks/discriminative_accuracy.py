"""Accuracy of the classifier of `discriminative`, by size of the image.

    python benchmarks/discriminative_accuracy.py ../shared/data/bsds500/val ../shared/data/kodak
    python benchmarks/discriminative_accuracy.py ../shared/data/bsds500/val \
        --weights adam.safetensors sgd.safetensors --name discriminative-ablation

Every image (luma) is classified twice: sharp, and blurred by a camera motion of 7 to 51 pixels
with 1 % of noise, seeded by the image's number; at full size and shrunk by 2 and by 4. Both are
cropped to the valid region of the blur. Percentages of correct classifications are written to
`results/discriminative-accuracy`, or under `--name`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from scale_table import write_table
from unblur.numerics.pyramid import shrink_image
from unblur.numerics.synthesis import DegradedPair, add_gaussian_noise, blur_image, crop_valid
from unblur.training.images import image_files, read_luma
from unblur_discriminative.network import Classifier
from unblur_discriminative.training import draw_kernel
from unblur_discriminative.weights import load_classifier

NOISE = 0.01
FACTORS = (1, 2, 4)


def pair_of(number: int, path: Path) -> DegradedPair:
    """Return image number `number`, blurred and noisy, and sharp."""
    generator = torch.Generator().manual_seed(number)
    kernel = draw_kernel(generator)
    sharp = read_luma(path).float() / 255
    blurred = add_gaussian_noise(blur_image(sharp, kernel), NOISE, generator)
    return DegradedPair(blurred, crop_valid(sharp, kernel))


def classification_rates(pairs: Sequence[DegradedPair], classifier: Classifier) -> dict[str, float]:
    """Return the percentages classified correctly: of all images, of the blurred, of the sharp."""
    with torch.no_grad():
        found = [[float(classifier(x[None, None])) for x in pair] for pair in pairs]
    blurred = 100 * sum(a > 0 for a, _ in found) / len(pairs)
    sharp = 100 * sum(b <= 0 for _, b in found) / len(pairs)
    shares = {"accuracy": (blurred + sharp) / 2, "of the blurred": blurred, "of the sharp": sharp}
    return {name: round(share, 1) for name, share in shares.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--weights", nargs="+", default=["general"], help="names or files")
    parser.add_argument("--name", default="discriminative-accuracy", help="name of the results")
    parser.add_argument("--about", default="", help="remark on the weights")
    options = parser.parse_args()
    device = torch.device("cpu")
    classifiers = {Path(w).stem: load_classifier(w, torch.float32, device) for w in options.weights}
    rows: list[dict[str, Any]] = []
    for folder in options.folders:
        files = image_files(folder)
        pairs = [pair_of(number, path) for number, path in enumerate(files)]
        for factor in FACTORS:
            small = [DegradedPair(*(shrink_image(x, 1 / factor) for x in pair)) for pair in pairs]
            for name, classifier in classifiers.items():
                label = {"weights": name} if len(classifiers) > 1 else {}
                where = {"set": folder.name, "pictures": len(files), "shrunk by": factor}
                rows.append({**label, **where, **classification_rates(small, classifier)})
    remark = f"Correct classifications in percent, noise {NOISE:g}. {options.about}".rstrip()
    write_table(options.name, "Accuracy of the classifier", rows, remark, "number of the image")


if __name__ == "__main__":
    main()
