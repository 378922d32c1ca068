"""Compare `wiener` with the linear filters of other tools, each with its best weight.

    python benchmarks/race_wiener.py -o benchmarks/results/race-wiener.json

The others filter once on a periodic grid. `wiener` does so too with `iterations: 0`; its default
also solves for the scene beyond the border, which takes time and avoids ringing. The closest
filter of deepinv is the regularised pseudo-inverse of its periodic blur.
"""

from __future__ import annotations

import torch
from torch import Tensor

from race import NOISE, Tool, compare_tools, import_tool, make_parser, write_rows
from unblur.model.context import Context
from unblur.testing import SyntheticScene
from unblur_classic.nonblind.wiener import Wiener

WEIGHTS = tuple(10 ** (power / 3) for power in range(-18, 1))


def own(iterations: int, given: SyntheticScene, weight: float | None) -> Tensor:
    stage = Wiener(weight=weight, iterations=iterations)
    return stage.deconvolve(given.blurred, given.kernel, Context(noise=NOISE))


def skimage(given: SyntheticScene, weight: float | None) -> Tensor:
    wiener = import_tool("skimage.restoration").wiener
    found = wiener(given.blurred[0].numpy(), given.kernel.weights, weight, clip=False)
    return torch.from_numpy(found)[None]


def sdeconv(given: SyntheticScene, weight: float | None) -> Tensor:
    psf = given.kernel.tensor()
    method = import_tool("sdeconv.deconv").SWiener(psf, beta=weight, pad=max(psf.shape))
    return method(given.blurred[0])[None]


def deepinv(given: SyntheticScene, weight: float | None) -> Tensor:
    if weight is None:
        raise ValueError("deepinv's filter needs a weight")
    kernel = given.kernel.tensor()[None, None]
    blur = import_tool("deepinv.physics").BlurFFT(tuple(given.blurred.shape), filter=kernel)
    seen = given.blurred[None]
    return blur.prox_l2(torch.zeros_like(seen), seen, gamma=1 / weight)[0]


TOOLS = [
    Tool("unblur", "unblur", lambda given, weight: own(20, given, weight), WEIGHTS),
    Tool("unblur, one filtering", "unblur", lambda given, weight: own(0, given, weight), WEIGHTS),
    Tool("scikit-image", "scikit-image", skimage, WEIGHTS),
    Tool("sdeconv", "sdeconv", sdeconv, WEIGHTS, "padded by a kernel's width"),
    Tool("deepinv, prox_l2", "deepinv", deepinv, WEIGHTS, "periodic; no gradient in its weight"),
]


def main() -> None:
    options = make_parser(__doc__.splitlines()[0], edge=2048, repetitions=5).parse_args()
    rows = compare_tools(TOOLS, options)
    write_rows(
        "Wiener filters against other tools",
        rows,
        f"{options.edge} x {options.edge} pixels, Gaussian PSF of {options.kernel}, noise {NOISE}, "
        f"{torch.get_num_threads()} threads; median of {options.repetitions} runs, each tool with "
        "its best weight.",
        options.output,
    )


if __name__ == "__main__":
    main()
