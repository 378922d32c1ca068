"""Race `wiener` against the linear filters of other tools, each with its best weight.

    python benchmarks/race_wiener.py -o benchmarks/results/race-wiener.json

The others filter once on a periodic grid. `wiener` does so too with `iterations: 0`; its
default solves for the scene beyond the border as well, which costs time and spares the ringing.
deepinv's nearest filter is the pseudo-inverse of its periodic blur, damped evenly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from race import NOISE, Racer, arguments, keep, peer, race
from unblur.model.context import Context
from unblur.testing import SyntheticScene
from unblur_classic.nonblind.wiener import Wiener

WEIGHTS = tuple(10 ** (power / 3) for power in range(-18, 1))


def own(iterations: int, given: SyntheticScene, weight: float | None) -> Tensor:
    stage = Wiener(weight=weight, iterations=iterations)
    return stage.deconvolve(given.blurred, given.kernel, Context(noise=NOISE))


def skimage(given: SyntheticScene, weight: float | None) -> Tensor:
    wiener = peer("skimage.restoration").wiener
    found = wiener(given.blurred[0].numpy(), given.kernel.weights, weight, clip=False)
    return torch.from_numpy(found)[None]


def sdeconv(given: SyntheticScene, weight: float | None) -> Tensor:
    psf = given.kernel.tensor()
    return peer("sdeconv.deconv").SWiener(psf, beta=weight, pad=max(psf.shape))(given.blurred[0])[
        None
    ]


def deepinv(given: SyntheticScene, weight: float | None) -> Tensor:
    if weight is None:
        raise ValueError("deepinv's filter needs a weight")
    kernel = given.kernel.tensor()[None, None]
    blur = peer("deepinv.physics").BlurFFT(tuple(given.blurred.shape), filter=kernel)
    seen = given.blurred[None]
    return blur.prox_l2(torch.zeros_like(seen), seen, gamma=1 / weight)[0]


RACERS = [
    Racer("unblur", "unblur", lambda given, weight: own(20, given, weight), WEIGHTS),
    Racer("unblur, one filtering", "unblur", lambda given, weight: own(0, given, weight), WEIGHTS),
    Racer("scikit-image", "scikit-image", skimage, WEIGHTS),
    Racer("sdeconv", "sdeconv", sdeconv, WEIGHTS, "padded by a kernel's width"),
    Racer("deepinv, prox_l2", "deepinv", deepinv, WEIGHTS, "periodic; no gradient in its weight"),
]


def main() -> None:
    options = arguments(__doc__.splitlines()[0], edge=2048, turns=5).parse_args()
    rows = race(RACERS, options)
    keep(
        "Wiener filters against other tools",
        rows,
        f"{options.edge} x {options.edge} pixels, Gaussian PSF of {options.kernel}, noise {NOISE}, "
        f"{torch.get_num_threads()} threads; median of {options.turns} turns, each tool with the "
        "weight that serves it best.",
        options.output,
    )


if __name__ == "__main__":
    main()
