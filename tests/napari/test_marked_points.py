"""The PSF averaged from marked points equals that of the synthetic image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unblur.model.marked_points import psf_from_points
from unblur.errors import KernelError


def spot(shape, centre, widths):
    grid = np.indices(shape)
    exponent = sum(((g - c) / w) ** 2 for g, c, w in zip(grid, centre, widths, strict=True))
    return np.exp(-exponent / 2)


def field(centres, shape=(120, 120), widths=(1.5, 2.5), noise=1.0):
    image = 50 + noise * np.random.default_rng(0).normal(size=shape)
    for centre, flux in zip(centres, (400, 900, 600, 700), strict=False):
        image += flux * spot(shape, centre, widths)
    return image


CENTRES = [(30.3, 30.6), (30.1, 80.5), (85.7, 40.2)]


def test_the_average_is_the_psf():
    kernel, count = psf_from_points(field(CENTRES), [(30, 30), (31, 81), (85, 41)], (21, 21))
    truth = spot((21, 21), (10, 10), (1.5, 2.5))
    truth /= truth.sum()
    assert count == 3
    assert np.abs(kernel.weights - truth).max() < 0.03 * truth.max()


def test_marks_need_not_be_exact():
    off, _ = psf_from_points(field(CENTRES), [(33, 28), (28, 83), (88, 38)], (21, 21))
    on, _ = psf_from_points(field(CENTRES), CENTRES, (21, 21))
    assert np.abs(off.weights - on.weights).max() < 0.01 * on.weights.max()


def test_sources_near_another_or_the_border_are_left_out():
    crowded = [*CENTRES, (85.0, 52.0)]
    image = field(crowded)
    marks = [*CENTRES, (85, 52), (2, 2)]
    _, count = psf_from_points(image, marks, (21, 21))
    assert count == 2


def test_volumes():
    image = field([(20.2, 30.4, 30.1)], shape=(41, 60, 60), widths=(3, 1.5, 1.5))
    kernel, _ = psf_from_points(image, [(20, 30, 30)], (21, 15, 15))
    assert kernel.shape == (21, 15, 15)
    truth = spot((21, 15, 15), (10, 7, 7), (3, 1.5, 1.5))
    assert np.abs(kernel.weights - truth / truth.sum()).max() < 0.05 * (truth / truth.sum()).max()


def test_points_without_a_source_raise():
    flat = np.random.default_rng(1).normal(size=(80, 80))
    with pytest.raises(KernelError, match="none of the 2 points"):
        psf_from_points(flat, [(40, 40), (20, 20)], (21, 21))


def test_nan_is_treated_as_background():
    image = field(CENTRES)
    image[0, :] = np.nan
    kernel, count = psf_from_points(image, CENTRES, (21, 21))
    assert count == 3
    assert np.isfinite(kernel.weights).all()
