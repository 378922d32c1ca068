r"""Flux of a single star on a sky after `points-richardson-lucy`, with the known PSF.

    python benchmarks/star_flux.py                   40 frames of each of five kinds
    python benchmarks/star_flux.py --seeds 8 --set richardson-lucy.min_significance=0 \
        --name star-flux-everywhere

Results: `results/star-flux`, or `results/NAME`.

Each frame holds one star at a random position within its pixel, with photon and read noise
(`unblur.testing.star_field`). Its flux is measured as `unblur report` does: in an aperture of
6 pixels, without the median of the sky in an annulus of 9 to 14 pixels. Of the 40 frames are given
the mean of measured over true flux, its standard error, and the standard deviation of the ratio
beside that which the noise of the frame allows: of photons and read noise, under the PSF.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture, aperture_photometry

import unblur
from scale_table import write_table
from unblur.testing.star_fields import moffat

Array = NDArray[np.float64]

EXTENT, HALF_WIDTH = 96, 24
"""Edge of a frame, and half-width of the PSF that is given, in pixels."""

RADIUS, SKY_RADII = 6.0, (9.0, 14.0)
"""Radius of the aperture, and radii of the annulus of the sky, in pixels."""

KINDS: dict[str, dict[str, Any]] = {
    "bright": {"flux": 3e5},
    "few counts": {"flux": 6e3},
    "dark sky": {"flux": 2e4, "sky": 3.0, "read_noise": 8.0},
    "bright sky": {"flux": 1e5, "sky": 4000.0},
    "wide, elliptical": {"flux": 5e4, "shape": (4.5, 0.15, 0.1)},
}
"""What differs from a PSF of 2.8 pixels on a sky of 200 counts, with 2 electrons for each count and
a read noise of 5 electrons."""


def frame(seed: int, flux: float, shape: Any = (2.8, 0.0, 0.0), sky: float = 200.0,
          gain: float = 2.0, read_noise: float = 5.0) -> tuple[Array, Array]:  # fmt: skip
    """Return a frame of one star, (EXTENT, EXTENT) in counts, and its row and column."""
    draw = np.random.default_rng(seed)
    offset = draw.uniform(-0.5, 0.5, 2)
    clean = sky + flux * moffat(shape, EXTENT // 2, tuple(offset))[:EXTENT, :EXTENT]
    counted = draw.poisson(clean * gain) + read_noise * draw.standard_normal(clean.shape)
    return (counted / gain).astype(np.float32), EXTENT // 2 + offset


def photometry(image: Array, position: Array) -> float:
    """Return the flux in the aperture, without the sky around it."""
    at = position[::-1]
    sky = ApertureStats(image, CircularAnnulus(at, *SKY_RADII)).median
    aperture = CircularAperture(at, RADIUS)
    total = aperture_photometry(image, aperture)["aperture_sum"][0]
    return float(total - sky * aperture.area)


def photon_limit(kind: dict[str, Any]) -> float:
    """Return the smallest standard deviation of a flux over its truth, of an unbiased estimate."""
    gain, noise = 2.0, kind.get("read_noise", 5.0)
    psf = moffat(kind.get("shape", (2.8, 0.0, 0.0)), HALF_WIDTH)
    variance = (kind.get("sky", 200.0) + kind["flux"] * psf) * gain + noise**2
    return float(1 / np.sqrt((np.square(psf * gain) / variance).sum()) / kind["flux"])


def measure(kind: dict[str, Any], seeds: int, settings: dict[str, Any]) -> dict[str, float]:
    """Return the statistics of one kind of star; see the module docstring."""
    psf = moffat(kind.get("shape", (2.8, 0.0, 0.0)), HALF_WIDTH)
    ratios, before, sky = [], [], []
    for seed in range(seeds):
        image, position = frame(seed, **kind)
        found = unblur.deblur(
            image, "points-richardson-lucy", psf / psf.sum(), device="cpu", **settings
        ).image
        ratios.append(photometry(np.asarray(found, float), position) / kind["flux"])
        before.append(photometry(image.astype(float), position) / kind["flux"])
        sky.append(found[:30].std() / image[:30].std())
    return {
        "before": float(np.mean(before)),
        "flux": float(np.mean(ratios)),
        "standard error": float(np.std(ratios, ddof=1) / np.sqrt(seeds)),
        "deviation": float(np.std(ratios, ddof=1)),
        "photon limit": photon_limit(kind),
        "sky": float(np.mean(sky)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--set", action="append", default=[], metavar="STEP.PARAM=VALUE")
    parser.add_argument("--name", default="star-flux")
    given = parser.parse_args()
    settings = {}
    for text in given.set:
        name, _, value = text.partition("=")
        settings[name] = json.loads(value)
    write_table(
        given.name,
        "Flux of a single star with the known PSF, over the truth",
        [{"star": name, **measure(KINDS[name], given.seeds, settings)} for name in given.kinds],
        "Sky: standard deviation relative to that of the frame.",
        f"0 to {given.seeds - 1}",
    )


if __name__ == "__main__":
    main()
