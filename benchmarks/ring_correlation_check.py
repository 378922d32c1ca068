"""Fourier ring correlation beside the package frc 0.1.1 (TU Delft), on one image.

    python benchmarks/ring_correlation_check.py IMAGE...

needs frc 0.1.1, diplib and rustfrc. Poisson noise is added to each image first, so that its counts
are photons. Both programs correlate the same two images of half the photons, and each splits one
image by itself: frc by a binomial draw of each pixel's counts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from unblur.io import read_image
from unblur.numerics.metrics.ring_correlation import (
    RingCorrelation,
    ring_correlation,
    split_resolution,
)

EDGE = 256


def main(paths: list[str]) -> None:
    """Print one line per image."""
    from frc import one_frc, two_frc
    from frc.utility import apply_tukey

    rng = np.random.default_rng(0)
    for path in paths:
        values = np.asarray(read_image(path).data, np.float64)[..., :EDGE, :EDGE]
        scene = gaussian_filter(values.reshape(-1, EDGE, EDGE)[0], 1)
        scene *= 100 / scene.mean()
        counts = rng.poisson(scene).astype(np.float64)
        halves = [rng.poisson(scene / 2).astype(np.float64) for _ in range(2)]
        own = ring_correlation(*halves)
        # The package does not subtract the mean nor taper; both are done before it here.
        tapered = [apply_tukey(half - half.mean(), 0.25) for half in halves]
        other = two_frc(*tapered)[1:]
        split = split_resolution(counts).before
        # Rings of diplib share each coefficient between two of them, which ours do not.
        binomial = one_frc(apply_tukey(counts, 0.25).astype(np.int32))[1:]
        n = min(len(own.correlation), len(other))
        mean = np.abs(own.correlation[:n] - other[:n]).mean()
        print(
            f"{Path(path).stem}: resolution in pixels of two images: own {own.resolution():.2f}, "
            f"frc {_resolution(own, other):.2f}; mean difference of a ring "
            f"{mean:.3f}; of one image: own split {split.resolution():.2f}, frc "
            f"{_resolution(own, binomial):.2f}"
        )


def _resolution(own: RingCorrelation, correlation: np.ndarray) -> float | None:
    """Return the resolution of a curve of frc, by our reading of it."""
    n = min(len(own.frequency), len(correlation))
    return RingCorrelation(own.frequency[:n], correlation[:n], own.counts[:n]).resolution()


if __name__ == "__main__":
    main(sys.argv[1:])
