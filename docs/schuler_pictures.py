"""Make the images of docs/schuler.md: filters, feature images and the training curve.

Usage: python docs/schuler_pictures.py PHOTO [LOG], where PHOTO is a freely licensed photograph
and LOG the `.log.jsonl` of `unblur train schuler`. The files are written to docs/images.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from torch import Tensor

from unblur.numerics.synthesis import add_gaussian_noise, blur_image, gaussian_process_kernel
from unblur.training.images import read_luma
from unblur.training.plot import write_plot
from unblur_schuler.coarse_to_fine import Network, estimate_coarse_to_fine
from unblur_schuler.refinement import refine_kernel
from unblur_schuler.weights import SHIPPED, load_network

IMAGES = Path(__file__).parent / "images"
EDGE, SIZE, GAP, REFINEMENTS = 224, 21, 4, 16


def grey(x: Tensor, *, signed: bool = False) -> np.ndarray:
    """Return an image as 8-bit grey, scaled to its range; signed values have 0 at middle grey."""
    limit = float(x.abs().flatten().quantile(0.995)) if signed else float(x.max())
    values = 0.5 + 0.5 * x / limit if signed else x / limit
    return (255 * values.clamp(0, 1)).byte().numpy()


def enlarged(x: np.ndarray, factor: int) -> np.ndarray:
    """Return an image with each pixel repeated `factor` times along both axes."""
    return x.repeat(factor, 0).repeat(factor, 1)


def sheet(panels: list[np.ndarray], columns: int) -> np.ndarray:
    """Return panels of one shape in a grid with white gaps."""
    height, width = panels[0].shape
    rows = -(-len(panels) // columns)
    page = np.full((rows * (height + GAP), columns * (width + GAP)), 255, np.uint8)
    for number, panel in enumerate(panels):
        top, left = number // columns * (height + GAP), number % columns * (width + GAP)
        page[top : top + height, left : left + width] = panel
    return page[:-GAP, :-GAP]


def filters(network: Network) -> np.ndarray:
    """Return the filters of the first layer, each for its input with the largest weights."""
    first = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    weight = first.weight.detach()
    strongest = weight.square().sum((2, 3)).argmax(1)
    chosen = weight[torch.arange(len(weight)), strongest]
    return sheet([enlarged(grey(f, signed=True), 40 // len(f)) for f in chosen], 16)


def features(network: Network, photo: Path) -> np.ndarray:
    """Return a blurred crop, the features of the last iteration, the true and estimated kernels."""
    generator = torch.Generator().manual_seed(5)
    kernel = gaussian_process_kernel(SIZE, generator)
    scene = read_luma(photo, halved=True).float() / 255
    top, left = ((n - EDGE - SIZE + 1) // 2 for n in scene.shape)
    scene = scene[top : top + EDGE + SIZE - 1, left : left + EDGE + SIZE - 1]
    blurred = add_gaussian_noise(blur_image(scene, kernel), 0.01, generator)[None, None]
    noise = torch.tensor([0.01])
    with torch.no_grad():
        found = refine_kernel(
            blurred,
            estimate_coarse_to_fine(network, blurred, SIZE, noise),
            REFINEMENTS,
            float(noise),
        )
        *_, (step, _) = network.schedule(SIZE)
        x, y = network.features(blurred, found, noise, step)
    panels = [
        grey(blurred[0, 0]),
        grey(y[0, 1], signed=True),
        grey(x[0, 1], signed=True),
        _panel(kernel.tensor()),
        _panel(found[0]),
    ]
    return sheet(panels, len(panels))


def _panel(kernel: Tensor) -> np.ndarray:
    panel = np.zeros((EDGE, EDGE), np.uint8)
    large = enlarged(grey(kernel), EDGE // SIZE)
    margin = (EDGE - len(large)) // 2
    panel[margin : margin + len(large), margin : margin + len(large)] = large
    return panel


def main() -> None:
    """Make the images for all shipped weights."""
    photo, *log = (Path(argument) for argument in sys.argv[1:])
    for name in SHIPPED:
        network = load_network(name)
        Picture.fromarray(filters(network)).save(IMAGES / f"schuler-filters-{name}.png")
        Picture.fromarray(features(network, photo)).save(IMAGES / f"schuler-features-{name}.png")
    if log:
        rows = [json.loads(line) for line in log[0].read_text(encoding="utf-8").splitlines()]
        write_plot(rows, "similarity", IMAGES / "schuler-training.svg")


if __name__ == "__main__":
    main()
