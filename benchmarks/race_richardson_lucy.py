"""Compare `richardson-lucy`: the same image, PSF, number of iterations and precision for all.

    python benchmarks/race_richardson_lucy.py -o benchmarks/results/race-richardson-lucy.json
    python benchmarks/race_richardson_lucy.py --depth 32 --edge 256 --kernel 15 --iterations 10

`unblur` takes fewer accelerated steps for the same sharpness; the row beside it takes as many as
the others, and the third does so without compiled transforms, as without the extra `fast`.

Tools differ in their boundary conditions: zeros in scikit-image and RedLionfish, periodic in
sdeconv, an unknown scene beyond the border in `unblur` and deepinv. PSNR is therefore reported for
the whole result and for its inside, where all should agree.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor

from race import Tool, compare_tools, import_tool, make_parser, write_rows
from unblur.model.context import Context
from unblur.numerics import overlap_save
from unblur.testing import SyntheticScene
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy


def tools(iterations: int) -> list[Tool]:
    """Return the tools that are compared."""

    def own(given: SyntheticScene, _: float | None) -> Tensor:
        stage = RichardsonLucy(iterations=iterations)
        return stage.deconvolve(given.blurred, given.kernel, Context())

    def plain(given: SyntheticScene, _: float | None) -> Tensor:
        stage = RichardsonLucy(iterations=iterations, accelerate=False)
        return stage.deconvolve(given.blurred, given.kernel, Context())

    def library(given: SyntheticScene, _: float | None) -> Tensor:
        before = overlap_save.COMPILED_FROM
        overlap_save.COMPILED_FROM = sys.maxsize
        try:
            return plain(given, _)
        finally:
            overlap_save.COMPILED_FROM = before

    def skimage(given: SyntheticScene, _: float | None) -> Tensor:
        lucy = import_tool("skimage.restoration").richardson_lucy
        image = given.blurred[0].numpy()
        psf = given.kernel.weights.astype(np.float32)
        return torch.from_numpy(lucy(image, psf, iterations, clip=False))[None]

    def redlionfish(given: SyntheticScene, _: float | None) -> Tensor:
        lucy = import_tool("RedLionfishDeconv").doRLDeconvolutionFromNpArrays
        # It takes volumes of at least two planes, and places the centre of an odd PSF a pixel off.
        image, psf = given.blurred[0].numpy(), given.kernel.weights.astype(np.float32)
        flat = image.ndim == 2
        if flat:
            image, psf = np.stack([image, image]), psf[None]
        psf = np.pad(psf, [(n % 2, 0) for n in psf.shape])
        found = torch.from_numpy(lucy(image, psf, niter=iterations, method="cpu"))
        return found[:1] if flat else found[None]

    def sdeconv(given: SyntheticScene, _: float | None) -> Tensor:
        psf = given.kernel.tensor()
        width = tuple(psf.shape)
        if psf.ndim == 3:  # its padding of volumes expects a PSF as large as the image
            whole = torch.zeros(given.blurred.shape[1:])
            start = [n // 2 - k // 2 for n, k in zip(whole.shape, width, strict=True)]
            whole[tuple(slice(a, a + k) for a, k in zip(start, width, strict=True))] = psf
            psf = whole
        lucy = import_tool("sdeconv.deconv").SRichardsonLucy(psf, niter=iterations, pad=width)
        return lucy(given.blurred[0])[None]

    def deepinv(given: SyntheticScene, _: float | None) -> Tensor:
        physics, optim = import_tool("deepinv.physics"), import_tool("deepinv.optim")
        blur = physics.Blur(given.kernel.tensor()[None, None], padding="valid", use_fft=True)
        with torch.no_grad():
            found = optim.MLEM(max_iter=iterations)(given.blurred[None], blur)[0]
        sizes = zip(given.kernel.shape, given.sharp.shape[1:], strict=True)
        inner = [slice(n - 1 - n // 2, n - 1 - n // 2 + edge) for n, edge in sizes]
        return found[(..., *inner)]

    return [
        Tool("unblur", "unblur", own),
        Tool("unblur, plain", "unblur", plain, note="as many steps as the others"),
        Tool("unblur, plain, library", "unblur", library, note="without compiled transforms"),
        Tool("scikit-image", "scikit-image", skimage),
        Tool(
            "RedLionfish, CPU",
            "redlionfish",
            redlionfish,
            note="takes volumes only: an image is passed twice",
        ),
        Tool("sdeconv", "sdeconv", sdeconv, note="padded by a kernel's width"),
        Tool("deepinv, MLEM", "deepinv", deepinv, note="valid convolution by FFT"),
    ]


def main() -> None:
    parser = make_parser(__doc__.splitlines()[0], edge=2048, repetitions=5)
    parser.add_argument("--iterations", type=int, default=30)
    options = parser.parse_args()
    rows = compare_tools(tools(options.iterations), options)
    planes = f"{options.depth} x " if options.depth else ""
    write_rows(
        "Richardson-Lucy against other tools",
        rows,
        f"{planes}{options.edge} x {options.edge} pixels, Gaussian PSF of {options.kernel} pixels "
        f"along each axis, {options.iterations} steps, float32, {torch.get_num_threads()} threads; "
        f"median of {options.repetitions} runs.",
        options.output,
    )


if __name__ == "__main__":
    main()
