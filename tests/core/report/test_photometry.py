"""Photometry of stars in two images."""

from __future__ import annotations

import numpy as np
import pytest

from unblur.report.photometry import measure_stars
from unblur.testing import star_field

pytest.importorskip("photutils")


def test_the_flux_of_isolated_stars_is_compared():
    field = star_field(128, 9, fluxes=(3e4, 3e5), distance=30)
    after = field.sky + 0.98 * (field.image - field.sky)
    found = measure_stars(field.image, after.astype(np.float32))
    assert found is not None
    assert found.ratio[0] == pytest.approx(0.98, abs=0.002)
    assert "isolated stars" in found.describe()
    assert "0.980" in found.describe()


def test_the_ratio_that_the_psf_lets_expect_is_that_of_stars_made_sharp():
    field = star_field(128, 9, fluxes=(3e4, 3e5), distance=30)
    sharp = np.full(field.image.shape, field.sky)
    for (row, column), flux in zip(field.positions, field.fluxes, strict=True):
        sharp[round(row), round(column)] += flux
    found = measure_stars(field.image, sharp.astype(np.float32), field.kernels(5))
    assert found is not None
    assert found.expected is not None
    assert found.expected == pytest.approx(found.after / found.before, abs=0.01)
    assert found.expected.std() > 0  # the PSF changes over the field
    words = found.describe()
    assert "is expected" in words
    assert abs(float(words.split(": ")[-1].split(" %")[0])) < 0.5


def test_an_image_without_stars_has_no_photometry():
    noise = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    assert measure_stars(noise, noise) is None
    assert measure_stars(np.ones((64, 64), np.float32), noise) is None
