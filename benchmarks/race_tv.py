"""Race `tv` against variational deconvolution in other tools, each with its best weight.

    python benchmarks/race_tv.py -o benchmarks/results/race-tv.json

deepinv minimises the same energy in a hundred steps: by FISTA with fifty inner ones, or by ADMM
with ten and the step length that served it best of 1, 10 and 100. Both start their inner solver
where it left off. Spitfire of sdeconv minimises a sparse Hessian variation. scikit-image has
total variation for denoising alone. DPIR of deepinv needs weights that it downloads when it is
run; on a machine without a network it does not race.
"""

from __future__ import annotations

import torch
from torch import Tensor

from race import NOISE, Racer, arguments, keep, peer, race
from unblur.model.context import Context
from unblur.testing import SyntheticScene
from unblur_classic.nonblind.total_variation import TotalVariation

WEIGHTS = tuple(10 ** (power / 3) for power in range(-12, -4))
SPITFIRE = (0.005,)
"""One less its weight of the data. It takes minutes: only its default is tried."""


def own(iterations: int, given: SyntheticScene, weight: float | None) -> Tensor:
    stage = TotalVariation(weight=weight, iterations=iterations)
    return stage.deconvolve(given.blurred, given.kernel, Context(noise=NOISE))


def fista(given: SyntheticScene, weight: float | None) -> Tensor:
    physics, optim = peer("deepinv.physics"), peer("deepinv.optim")
    blur = physics.Blur(given.kernel.tensor()[None, None], padding="valid", use_fft=True)
    method = optim.FISTA(
        data_fidelity=optim.L2(),
        prior=optim.TVPrior(n_it_max=50),
        lambda_reg=weight,
        stepsize=1.0,
        max_iter=100,
    )
    with torch.no_grad():
        found = method(given.blurred[None], blur)[0]
    sizes = zip(given.kernel.shape, given.sharp.shape[1:], strict=True)
    inner = [slice(n - 1 - n // 2, n - 1 - n // 2 + edge) for n, edge in sizes]
    return found[(..., *inner)]


def admm(given: SyntheticScene, weight: float | None) -> Tensor:
    physics, optim = peer("deepinv.physics"), peer("deepinv.optim")
    width = max(given.kernel.shape)
    seen = torch.nn.functional.pad(given.blurred[None], (width,) * 4, mode="reflect")
    blur = physics.BlurFFT(tuple(seen.shape[1:]), filter=given.kernel.tensor()[None, None])
    method = optim.ADMM(
        data_fidelity=optim.L2(),
        prior=optim.TVPrior(n_it_max=10),
        lambda_reg=weight,
        stepsize=100.0,
        max_iter=100,
    )
    with torch.no_grad():
        return method(seen, blur)[0][..., width:-width, width:-width]


def sdeconv(given: SyntheticScene, weight: float | None) -> Tensor:
    if weight is None:
        raise ValueError("Spitfire needs a weight")
    psf = given.kernel.tensor()
    method = peer("sdeconv.deconv").Spitfire(psf, reg=1 - weight, pad=max(psf.shape))
    return method(given.blurred[0]).detach()[None]


RACERS = [
    Racer("unblur", "unblur", lambda given, weight: own(60, given, weight), WEIGHTS),
    Racer("unblur, 200 steps", "unblur", lambda given, weight: own(200, given, weight), WEIGHTS),
    Racer("deepinv, FISTA", "deepinv", fista, WEIGHTS, "valid convolution"),
    Racer("deepinv, ADMM", "deepinv", admm, WEIGHTS, "periodic, padded by a kernel's width"),
    Racer("sdeconv, Spitfire", "sdeconv", sdeconv, SPITFIRE, "sparse Hessian variation"),
]


def main() -> None:
    options = arguments(__doc__.splitlines()[0], edge=128, turns=3).parse_args()
    rows = race(RACERS, options)
    keep(
        "Total variation against other tools",
        rows,
        f"{options.edge} x {options.edge} pixels, Gaussian PSF of {options.kernel}, noise {NOISE}, "
        f"{torch.get_num_threads()} threads; median of {options.turns} turns, each tool with the "
        "weight that serves it best. scikit-image has no deconvolution by total variation; DPIR of "
        "deepinv downloads its weights when it runs, and was not raced.",
        options.output,
    )


if __name__ == "__main__":
    main()
