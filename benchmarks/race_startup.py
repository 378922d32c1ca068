"""Seconds and peak memory of fresh processes: importing a tool, and deconvolving one image.

    python benchmarks/race_startup.py -o benchmarks/results/race-startup.json

Every figure is the median over a few processes, each for one measurement. The image is the same
for all, and every tool runs ten iterations of Richardson-Lucy. The memory is the peak resident set
size that Linux reports.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from race import NOISE, make_parser, write_rows
from unblur.testing import gaussian, synthetic_scene

HERE = str(Path(__file__).parent)
LOAD = """
import numpy as np
with np.load({file!r}) as given:
    image, psf = given["image"], given["psf"]
"""
PEAK = """
from pathlib import Path
status = Path("/proc/self/status").read_text()
print(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
"""


@dataclass(frozen=True)
class StartUp:
    """A tool: its label, its distribution package, its import, and ten steps of Richardson-Lucy."""

    tool: str
    package: str
    load: str
    work: str


VISION = f"import sys; sys.path.insert(0, {HERE!r}); from vision import declare_operators; "
START_UPS = [
    StartUp(
        "unblur",
        "unblur",
        "import unblur",
        "unblur.deblur(image, 'richardson-lucy', psf=psf, **{'richardson-lucy.iterations': 10})",
    ),
    StartUp(
        "scikit-image",
        "scikit-image",
        "from skimage.restoration import richardson_lucy",
        "richardson_lucy(image, psf, 10, clip=False)",
    ),
    StartUp(
        "RedLionfish, CPU",
        "redlionfish",
        "from RedLionfishDeconv import doRLDeconvolutionFromNpArrays as lucy",
        "lucy(np.stack([image] * 2), psf[None], niter=10, method='cpu')",
    ),
    StartUp(
        "sdeconv",
        "sdeconv",
        f"{VISION}declare_operators(); import sdeconv.deconv as sdeconv, torch",
        "sdeconv.SRichardsonLucy(torch.tensor(psf), niter=10, pad=25)(torch.tensor(image))",
    ),
    StartUp(
        "deepinv, MLEM",
        "deepinv",
        f"{VISION}declare_operators(); import deepinv, torch",
        "blur = deepinv.physics.Blur(torch.tensor(psf)[None, None], padding='valid', use_fft=True)"
        "\nwith torch.no_grad():"
        "\n    deepinv.optim.MLEM(max_iter=10)(torch.tensor(image)[None, None], blur)",
    ),
]


def run_process(code: str) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of a process that runs `code`.

    The process reads its own peak at its end: the peak that a parent gets for a child includes
    the parent's own size at the time of the fork.
    """
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code + PEAK], capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return seconds, int(done.stdout.split()[-1]) / 1e3


def measure(code: str, repetitions: int) -> tuple[float, int]:
    """Return the median seconds and MB over `repetitions` processes."""
    found = [run_process(code) for _ in range(repetitions)]
    seconds, megabytes = (statistics.median(values) for values in zip(*found, strict=True))
    return round(seconds, 2), round(megabytes)


def row(start: StartUp, file: Path, repetitions: int) -> dict[str, Any]:
    """Return a tool's row: its import alone, and with the deconvolution."""
    try:
        found: dict[str, Any] = {"tool": start.tool, "version": version(start.package)}
    except PackageNotFoundError:
        return {"tool": start.tool, "why": "not installed"}
    load = f"{LOAD.format(file=str(file))}\n{start.load}"
    try:
        found["import s"], found["import MB"] = measure(start.load, repetitions)
        found["work s"], found["work MB"] = measure(f"{load}\n{start.work}", repetitions)
    except RuntimeError as error:
        return {**found, "why": f"does not run: {error}"}
    return found


def main() -> None:
    options = make_parser(__doc__.splitlines()[0], edge=1024, repetitions=5).parse_args()
    kernel = gaussian((options.kernel,) * 2, options.kernel / 8)
    image = synthetic_scene((options.edge,) * 2, kernel, noise=NOISE).blurred[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "given.npz")
        np.savez(file, image=image, psf=kernel.weights.astype(np.float32))
        rows = [row(start, file, options.repetitions) for start in START_UPS]
    write_rows(
        "Start-up and memory",
        rows,
        f"Fresh processes, median of {options.repetitions}: an import, and an import with ten "
        f"steps of Richardson-Lucy on {options.edge} x {options.edge} pixels, PSF of "
        f"{options.kernel}. Peak resident memory.",
        options.output,
    )


if __name__ == "__main__":
    main()
