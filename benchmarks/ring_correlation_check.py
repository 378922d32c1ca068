"""Fourier ring correlation beside two published packages, one of them on its own sample.

    python benchmarks/ring_correlation_check.py [DATA]

DATA is the folder `data/microscopy`. It needs `pip install frc diplib rustfrc`, and `pip install
--no-deps quoll quoll-compatible-miplib` with matplotlib, mrcfile, pandas and tqdm. Results:
`results/ring-correlation`, and `tests/core/numerics/metrics/samples/quoll.json`, the curve of
quoll that `test_ring_correlation_sample.py` compares too. Resolutions are in pixels.

- **frc** 0.1.1 (TU Delft): Poisson noise is added to each image first, so that its counts are
  photons. Both programs correlate the same two images of half the photons, and each splits one
  image by itself: frc by a binomial draw of each pixel's counts.
- **quoll** 0.0.4 (Rosalind Franklin Institute), by the code of miplib (S. V. Koho et al., Nature
  Communications 10, 2019), on the sample of its own test: an electron micrograph, whose noise is
  correlated along the rows. It splits an image into every second pixel of every second row and
  their diagonal neighbours, two times, and divides the frequencies by a curve that was fitted to
  pairs of images. Compared are the mean curves of the same halves, in pixels of the halves and
  before that division; and the resolution of the one image after it with that of our split. The
  commit of its repository is in `samples/README.md`.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from scale_table import write_table
from unblur.io import read_image
from unblur.numerics.metrics.ring_correlation import (
    RingCorrelation,
    ring_correlation,
    split_resolution,
)

Array = NDArray[np.float64]

EDGE = 256
"""Edge of the part of an image that is used, in pixels."""

IMAGES = {
    "BioSR F-actin": "biosr_pairs/factin_1_widefield.tif",
    "BioSR microtubules": "biosr_pairs/microtubules_1_widefield.tif",
    "BPAE mitochondria": "fluorescence_2d/bpae_mito.tif",
}
"""Files of `data/microscopy` by name."""

SAMPLES = Path(__file__).parents[1] / "tests/core/numerics/metrics/samples"


def beside_frc(name: str, path: Path) -> dict[str, Any]:
    """Return the row of an image with noise of photons."""
    from frc import one_frc, two_frc
    from frc.utility import apply_tukey

    rng = np.random.default_rng(0)
    values = np.asarray(read_image(path).data, np.float64)[..., :EDGE, :EDGE]
    scene = gaussian_filter(values.reshape(-1, EDGE, EDGE)[0], 1)
    scene *= 100 / scene.mean()
    counts = rng.poisson(scene).astype(np.float64)
    halves = [rng.poisson(scene / 2).astype(np.float64) for _ in range(2)]
    own = ring_correlation(*halves)
    # The package does not subtract the mean nor taper; both are done before it here.
    tapered = [apply_tukey(half - half.mean(), 0.25) for half in halves]
    other = two_frc(*tapered)[1:]
    # Rings of diplib share each coefficient between two of them, which ours do not.
    binomial = one_frc(apply_tukey(counts, 0.25).astype(np.int32))[1:]
    return {
        "image": name,
        "package": f"frc {version('frc')}",
        "two halves": own.resolution(),
        "two halves, package": _read(own, other),
        "mean difference of a ring": _difference(own, other),
        "one image": split_resolution(counts).before.resolution(),
        "one image, package": _read(own, binomial),
    }


def beside_quoll() -> dict[str, Any]:
    """Return the row of quoll's own sample, and write its curve."""
    if not hasattr(scipy.signal, "tukey"):  # imported by miplib, moved in scipy 1.13
        scipy.signal.tukey = scipy.signal.windows.tukey
    from quoll.frc import frc_calibration_functions as calibration
    from quoll.frc import oneimg
    from quoll.io import reader

    path = SAMPLES / "quoll-042.tif"
    found = oneimg.calc_frc_res(Image=reader.Image(str(path), pixel_size=1.0))
    calibrated = oneimg.calc_frc_res(
        Image=reader.Image(str(path), pixel_size=1.0),
        calibration_func=calibration.calibration_func_RFI,
    )
    curve = np.asarray(found.correlation["correlation"], np.float64)
    stored = {
        "package": f"quoll {version('quoll')}",
        "two halves": float(found.resolution["resolution"]),
        "one image": float(calibrated.resolution["resolution"]),
        "correlation": curve.round(4).tolist(),
    }
    (SAMPLES / "quoll.json").write_text(json.dumps(stored) + "\n", "utf-8")
    image = tifffile.imread(path).astype(np.float64)
    own = checkerboard_correlation(image)
    # Its ring k holds the coefficients of k to k + 1, ours those of k - 0.5 to k + 0.5.
    between = (curve[:-1] + curve[1:]) / 2
    return {
        "image": "sample of quoll",
        "package": stored["package"],
        "two halves": own.resolution(),
        "two halves, package": stored["two halves"],
        "mean difference of a ring": _difference(own, between),
        "one image": split_resolution(image).before.resolution(),
        "one image, package": stored["one image"],
    }


def checkerboard_correlation(image: Array) -> RingCorrelation:
    """Return the mean correlation of diagonal neighbours, both ways, without its sign."""
    pairs = ((0, 0), (1, 1)), ((0, 1), (1, 0))
    both = [ring_correlation(*(image[y::2, x::2] for y, x in pair)) for pair in pairs]
    mean = np.mean([abs(curve.correlation) for curve in both], axis=0)
    return RingCorrelation(both[0].frequency, mean, both[0].counts)


def _difference(own: RingCorrelation, correlation: Array) -> float:
    """Return the mean absolute difference of two curves."""
    n = min(len(own.correlation), len(correlation))
    return float(np.abs(own.correlation[:n] - correlation[:n]).mean())


def _read(own: RingCorrelation, correlation: Array) -> float | None:
    """Return the resolution of a curve of frc, by our reading of it."""
    n = min(len(own.frequency), len(correlation))
    return RingCorrelation(own.frequency[:n], correlation[:n], own.counts[:n]).resolution()


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/microscopy")
    rows = [beside_frc(name, data / file) for name, file in IMAGES.items()]
    write_table(
        "ring-correlation",
        "Fourier ring correlation beside published packages",
        [*rows, beside_quoll()],
        "Resolutions in pixels; the two halves of the sample of quoll in pixels of the halves. "
        "Photons, and the draws of frc, are random.",
    )


if __name__ == "__main__":
    main()
