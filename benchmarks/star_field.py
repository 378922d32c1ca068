"""A field of stars whose PSF changes over it: one PSF against a field of PSFs.

    python benchmarks/star_field.py                        400 stars on 768 x 768 pixels
    python benchmarks/star_field.py --extent 256 --stars 60 --name small
    python benchmarks/star_field.py --kernels 50 100 400   PSFs alone, for these numbers of stars

Results: `results/star-field`, and `results/star-field-kernels` with `--kernels`.

A synthetic frame with its truth (`unblur.testing.star_field`) is deblurred with one PSF for all of
it and with the PSF over the field, both measured by `points` on the frame, and with the true PSFs.
Measured on isolated stars:

- width, ellipticity, photometry: how far the width of a star in pixels, its ellipticity, and
  measured over true flux in an aperture of 4 pixels vary with the position in the field, as the
  standard deviation of the quadratic polynomial that fits them. A blur that is removed leaves none;
- scatter: standard deviation of measured over true flux; flux: its median; within 2 %: the share
  of stars whose ratio is that near to 1; fainter flux: the median of those with less than 20 000
  counts, which are in no other column;
- sky: standard deviation where no star is near, for the result as it is and convolved to the width
  that the stars had in the frame, each relative to the frame's.

With `--kernels` nothing is deblurred: measured are the distances of the kernels of the field from
the true PSFs, relative to their norm, in the mean over the grid, in the mean over the four corners,
and at worst.

Widths and ellipticities are second moments under a Gaussian weight, after a convolution with a
Gaussian of 1 pixel. They vary with the position of a star within its pixel too, which is no blur.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture, aperture_photometry
from scipy.ndimage import gaussian_filter

import unblur
from scale_table import write_table
from unblur.model.context import Context
from unblur.numerics.kernel_ops import crop_around
from unblur.testing import StarField, star_field
from unblur_classic.point_sources.estimator import Points

Array = NDArray[np.float64]

RADIUS = 4.0
"""Radius of the apertures, in pixels."""

SKY_RADII = 12.0, 18.0
"""Inner and outer radius of the annuli in which the sky is measured, in pixels."""

CLEAR = 22
"""Smallest distance of an isolated star from any other and from the border, in pixels."""


FAINT = 2e4
"""Flux below which a star is faint, in counts."""


def isolated(field: StarField, least: float = FAINT, most: float = np.inf) -> NDArray[np.int_]:
    """Return the numbers of the stars that are far from others, with a flux between two."""
    kept = []
    for number, position in enumerate(field.positions):
        distance = np.hypot(*(field.positions - position).T)
        distance[number] = np.inf
        inside = (position > CLEAR).all() and (position < len(field.image) - 1 - CLEAR).all()
        if distance.min() > CLEAR and inside and least < field.fluxes[number] <= most:
            kept.append(number)
    return np.array(kept, int)


def photometry(image: Array, positions: Array) -> Array:
    """Return the flux in an aperture around each position, without the sky around it."""
    columns_rows = positions[:, ::-1]
    sky = ApertureStats(image, CircularAnnulus(columns_rows, *SKY_RADII)).median
    aperture = CircularAperture(columns_rows, RADIUS)
    return (
        np.asarray(aperture_photometry(image, aperture)["aperture_sum"].data) - sky * aperture.area
    )


def shapes(image: Array, positions: Array, half: int = 7, weight: float = 1.5) -> Array:
    """Return width in pixels and both ellipticities of each star, (N, 3)."""
    found = []
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    for position in positions:
        row, column = position.round().astype(int)
        window = image[row - half : row + half + 1, column - half : column + half + 1]
        middle = position - (row, column)
        for _ in range(6):
            v, u = y - middle[0], x - middle[1]
            weighted = window * np.exp(-(u**2 + v**2) / (2 * weight**2))
            total = weighted.sum()
            middle = middle + 1.5 * np.array([(v * weighted).sum(), (u * weighted).sum()]) / total
        xx, yy, xy = ((p * weighted).sum() / total for p in (u * u, v * v, u * v))
        found.append((np.sqrt((xx + yy) / 2), (xx - yy) / (xx + yy), 2 * xy / (xx + yy)))
    return np.array(found)


def sky_rms(image: Array, field: StarField, radius: int = 20) -> float:
    """Return the standard deviation of the pixels that are far from every star."""
    free = np.ones(image.shape, bool)
    for row, column in field.positions.round().astype(int):
        free[
            max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1
        ] = 0
    return float(image[free].std())


def variation(values: Array, positions: Array, extent: int) -> float:
    """Return the standard deviation of the quadratic fit to values (N) or (N, M) over the field."""
    y, x = (2 * positions / (extent - 1) - 1).T
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)
    fitted = terms @ np.linalg.lstsq(terms, values, rcond=None)[0]
    return float(np.sqrt(np.square(fitted - fitted.mean(0)).mean(0).sum()))


def measure(image: Array, field: StarField) -> dict[str, float]:
    """Return the residuals of one image; see the module docstring."""
    stars = isolated(field)
    level = image - np.median(image)
    shape = shapes(gaussian_filter(level, 1.0), field.positions[stars])
    ratio = photometry(image, field.positions[stars]) / field.fluxes[stars]
    faint = isolated(field, 0, FAINT)
    faint_ratio = photometry(image, field.positions[faint]) / field.fluxes[faint]
    frame = field.image.astype(float)
    wanted = shapes(frame - np.median(frame), field.positions[stars], weight=3)[:, 0].mean()
    convolved, sigma = level, 0.0
    for sigma in np.arange(0, 3, 0.05):
        convolved = gaussian_filter(level, sigma) if sigma else level
        if shapes(convolved, field.positions[stars], weight=3)[:, 0].mean() >= wanted:
            break
    noise = sky_rms(frame, field)
    return {
        "isolated": len(stars),
        "width": variation(shape[:, 0], field.positions[stars], len(image)),
        "ellipticity": variation(shape[:, 1:], field.positions[stars], len(image)),
        "photometry": variation(ratio, field.positions[stars], len(image)),
        "scatter": float(ratio.std()),
        "flux": float(np.median(ratio)),
        "within 2 %": float((abs(ratio - 1) < 0.02).mean()),
        "fainter flux": float(np.median(faint_ratio)),
        "sky": sky_rms(image, field) / noise,
        "sky at equal width": sky_rms(convolved, field) / noise,
    }


def deblurred(field: StarField, which: str, settings: dict[str, Any]) -> Array:
    """Return the frame deblurred with "one", "field" or "true" PSFs."""
    frame = field.image
    if which == "true":
        kernels = field.kernels(9)
        result = unblur.deblur(frame, "points-richardson-lucy", kernels, device="cpu", **settings)
    else:
        degree = 0 if which == "one" else "auto"
        options = {"points.degree": degree, **settings}
        result = unblur.deblur(frame, "points-richardson-lucy", device="cpu", **options)
        print(which, dict(result.report.kernel.choices), flush=True)
    return np.asarray(result.image, np.float64)


def make_field(extent: int, count: int, seed: int) -> StarField:
    """Return a field of stars at distances from one another."""
    return star_field(extent, count, distance=0.55 * extent / np.sqrt(count), seed=seed)


def kernel_errors(field: StarField) -> dict[str, float]:
    """Return the distances of the kernels of `points` from the true PSFs; see the docstring."""
    scaled = torch.from_numpy(field.image / field.image.max())[None]
    found = Points().estimate(scaled, Context()).field
    errors = np.zeros(found.shape)
    for row, column in np.ndindex(*found.shape):
        made = found.kernels[row][column].weights.astype(float)
        true = field.psf(found.rows[row], found.columns[column], max(made.shape) // 2)
        made = crop_around(made, [n // 2 for n in made.shape], [n // 2 for n in true.shape])
        errors[row, column] = np.linalg.norm(made - true) / np.linalg.norm(true)
    corners = errors[[0, 0, -1, -1], [0, -1, 0, -1]]
    return {
        "mean": float(errors.mean()),
        "corners": float(corners.mean()),
        "worst": float(errors.max()),
    }


def compare(field: StarField, methods: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the residuals of the frame and of each result, and the quotient of two of them."""
    rows = {"of the frame": measure(field.image.astype(float), field)}
    for which in methods:
        rows[which] = measure(deblurred(field, which, settings), field)
    if {"one", "field"} <= rows.keys():
        compared = ("width", "ellipticity", "photometry")
        rows["one / field"] = {name: rows["one"][name] / rows["field"][name] for name in compared}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extent", type=int, default=768)
    parser.add_argument("--stars", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 11, 12])
    parser.add_argument("--kernels", type=int, nargs="+", metavar="STARS")
    parser.add_argument("--methods", nargs="+", default=["one", "field", "true"])
    parser.add_argument("--set", action="append", default=[], metavar="STEP.PARAM=VALUE")
    parser.add_argument("--name", default="star-field")
    given = parser.parse_args()
    settings = {}
    for text in given.set:
        name, _, value = text.partition("=")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    rows: list[dict[str, Any]] = []
    if given.kernels:
        for seed, count in product(given.seeds, given.kernels):
            errors = kernel_errors(make_field(given.extent, count, seed))
            rows.append({"seed": seed, "stars": count, **errors})
        title = "PSFs over a field of stars, and the true ones"
        remark = "Distances relative to the norm of the true PSF, on the grid of the field."
        write_table(f"{given.name}-kernels", title, rows, remark, "by row")
        return
    for seed in given.seeds:
        found = compare(make_field(given.extent, given.stars, seed), given.methods, settings)
        rows += [{"seed": seed, "PSF": which, **row} for which, row in found.items()]
    write_table(
        given.name,
        "A field of stars deblurred with one PSF and with a field of PSFs",
        rows,
        "Width in pixels, ellipticity, photometry: variation over the field. Flux: measured over "
        "true. Sky: noise relative to that of the frame.",
        "by row",
    )


if __name__ == "__main__":
    main()
