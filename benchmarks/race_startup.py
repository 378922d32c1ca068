"""Seconds and peak memory of fresh processes: importing a tool, and deconvolving one image.

    python benchmarks/race_startup.py -o benchmarks/results/race-startup.json

Every figure is of a process of its own, and the median of a few. The image is the same for all,
and every tool takes ten steps of Richardson-Lucy.
The memory is the greatest resident size, which Linux alone tells.
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

from race import NOISE, arguments, keep
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
class Start:
    """A tool, the distribution it comes in, its import, and ten steps of Richardson-Lucy."""

    tool: str
    package: str
    load: str
    work: str


VISION = f"import sys; sys.path.insert(0, {HERE!r}); from vision import declare_operators; "
STARTS = [
    Start(
        "unblur",
        "unblur",
        "import unblur",
        "unblur.deblur(image, 'richardson-lucy', psf=psf, **{'richardson-lucy.iterations': 10})",
    ),
    Start(
        "scikit-image",
        "scikit-image",
        "from skimage.restoration import richardson_lucy",
        "richardson_lucy(image, psf, 10, clip=False)",
    ),
    Start(
        "RedLionfish, CPU",
        "redlionfish",
        "from RedLionfishDeconv import doRLDeconvolutionFromNpArrays as lucy",
        "lucy(np.stack([image] * 2), psf[None], niter=10, method='cpu')",
    ),
    Start(
        "sdeconv",
        "sdeconv",
        f"{VISION}declare_operators(); import sdeconv.deconv as sdeconv, torch",
        "sdeconv.SRichardsonLucy(torch.tensor(psf), niter=10, pad=25)(torch.tensor(image))",
    ),
    Start(
        "deepinv, MLEM",
        "deepinv",
        f"{VISION}declare_operators(); import deepinv, torch",
        "blur = deepinv.physics.Blur(torch.tensor(psf)[None, None], padding='valid', use_fft=True)"
        "\nwith torch.no_grad():"
        "\n    deepinv.optim.MLEM(max_iter=10)(torch.tensor(image)[None, None], blur)",
    ),
]


def process(code: str) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of a process that runs `code`.

    The kernel of Linux is asked by the process itself, at its end: what a parent is told of a
    child's peak includes the parent's own size when the child was started.
    """
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code + PEAK], capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return seconds, int(done.stdout.split()[-1]) / 1e3


def measured(code: str, turns: int) -> tuple[float, int]:
    """Return the medians of `turns` processes."""
    found = [process(code) for _ in range(turns)]
    seconds, megabytes = (statistics.median(values) for values in zip(*found, strict=True))
    return round(seconds, 2), round(megabytes)


def row(start: Start, file: Path, turns: int) -> dict[str, Any]:
    """Return a tool's row: its import, and import and work together."""
    try:
        found: dict[str, Any] = {"tool": start.tool, "version": version(start.package)}
    except PackageNotFoundError:
        return {"tool": start.tool, "why": "not installed"}
    load = f"{LOAD.format(file=str(file))}\n{start.load}"
    try:
        found["import s"], found["import MB"] = measured(start.load, turns)
        found["work s"], found["work MB"] = measured(f"{load}\n{start.work}", turns)
    except RuntimeError as error:
        return {**found, "why": f"does not run: {error}"}
    return found


def main() -> None:
    options = arguments(__doc__.splitlines()[0], edge=1024, turns=5).parse_args()
    kernel = gaussian((options.kernel,) * 2, options.kernel / 8)
    image = synthetic_scene((options.edge,) * 2, kernel, noise=NOISE).blurred[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "given.npz")
        np.savez(file, image=image, psf=kernel.weights.astype(np.float32))
        rows = [row(start, file, options.turns) for start in STARTS]
    keep(
        "Start-up and memory",
        rows,
        f"Fresh processes, median of {options.turns}: an import, and an import with ten steps of "
        f"Richardson-Lucy on {options.edge} x {options.edge} pixels, PSF of {options.kernel}. "
        "Peak resident memory.",
        options.output,
    )


if __name__ == "__main__":
    main()
