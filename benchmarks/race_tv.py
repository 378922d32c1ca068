"""Compare `tv` with variational deconvolution in other tools, each with its best weight.

    python benchmarks/race_tv.py -o benchmarks/results/race-tv.json

deepinv minimises the same energy in a hundred iterations: by FISTA with fifty inner ones, or by
ADMM with ten and the best step length of 1, 10 and 100. Both warm-start their inner solver.
Spitfire of sdeconv minimises a sparse Hessian variation. scikit-image has total variation for
denoising only. DPIR of deepinv downloads its weights at run time; it is left out on a machine
without a network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from race import NOISE, Tool, compare_tools, import_tool, make_parser, write_rows
from unblur.model.context import Context
from unblur.testing import SyntheticScene
from unblur_classic.nonblind.total_variation import TotalVariation

WEIGHTS = tuple(10 ** (power / 3) for power in range(-12, -4))
SPITFIRE = (0.005,)
"""Candidates for 1 minus the data weight of Spitfire (only its default: a run takes minutes)."""


def own(iterations: int, given: SyntheticScene, weight: float | None) -> Tensor:
    stage = TotalVariation(weight=weight, iterations=iterations)
    return stage.deconvolve(given.blurred, given.kernel, Context(noise=NOISE))


def fista(given: SyntheticScene, weight: float | None) -> Tensor:
    physics, optim = import_tool("deepinv.physics"), import_tool("deepinv.optim")
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
    physics, optim = import_tool("deepinv.physics"), import_tool("deepinv.optim")
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
    method = import_tool("sdeconv.deconv").Spitfire(psf, reg=1 - weight, pad=max(psf.shape))
    return method(given.blurred[0]).detach()[None]


TOOLS = [
    Tool("unblur", "unblur", lambda given, weight: own(60, given, weight), WEIGHTS),
    Tool("unblur, 200 steps", "unblur", lambda given, weight: own(200, given, weight), WEIGHTS),
    Tool("deepinv, FISTA", "deepinv", fista, WEIGHTS, "valid convolution"),
    Tool("deepinv, ADMM", "deepinv", admm, WEIGHTS, "periodic, padded by a kernel's width"),
    Tool("sdeconv, Spitfire", "sdeconv", sdeconv, SPITFIRE, "sparse Hessian variation"),
]


def main() -> None:
    options = make_parser(__doc__.splitlines()[0], edge=128, repetitions=3).parse_args()
    rows = compare_tools(TOOLS, options)
    write_rows(
        "Total variation against other tools",
        rows,
        f"{options.edge} x {options.edge} pixels, Gaussian PSF of {options.kernel}, noise {NOISE}, "
        f"{torch.get_num_threads()} threads; median of {options.repetitions} runs, each tool with "
        "its best weight. scikit-image has no deconvolution by total variation; DPIR of deepinv "
        "downloads its weights at run time, and was left out.",
        options.output,
    )


if __name__ == "__main__":
    main()
