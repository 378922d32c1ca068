"""Pixel sizes of a PSF and its image: units, limits, and the light that resampling keeps."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from unblur.errors import KernelError
from unblur.numerics.psf import repair, validate
from unblur.numerics.psf.sampling import MAX_RATIO, pixel_size_ratios, resample
from unblur.numerics.synthesis import gaussian_kernel

RNG = np.random.default_rng(5)


def diagnostic(found, what="pixel size"):
    return next(each for each in found if each.what == what)


def facts(size, unit, image_size, image_unit):
    return {
        "pixel_size": dict.fromkeys("YX", size),
        "units": dict.fromkeys("YX", unit),
        "image_pixel_size": dict.fromkeys("YX", image_size),
        "image_units": dict.fromkeys("YX", image_unit),
    }


@pytest.mark.parametrize(
    ("size", "unit", "image_size", "image_unit"),
    [
        (300, "nm", 0.3, "µm"),
        (0.3, "micrometer", 300, "nm"),
        (1000, "Å", 0.1, "µm"),
        (31, "mas", 0.031, "arcsec"),
        (1 / 3600, "deg", 1, "arcsec"),
        (0.5, "", 0.5, "µm"),
        (2, "pixel", 2, "pixel"),
    ],
)
def test_units_are_converted_before_sizes_are_compared(size, unit, image_size, image_unit):
    given = facts(size, unit, image_size, image_unit)
    psf = gaussian_kernel(1.5, size=9)
    assert diagnostic(validate(psf, **given)).level == "ok"
    assert repair(psf, **given).shape == (9, 9)


def test_units_of_two_kinds_are_not_compared():
    given = facts(0.1, "arcsec", 0.1, "µm")
    found = diagnostic(validate(gaussian_kernel(1.5), **given))
    assert found.level == "warning"
    assert "0.1 arcsec" in found.detail
    assert "0.1 µm" in found.detail
    assert pixel_size_ratios("YX", *(given[k] for k in list(given)[::2])) == {"Y": 1.0, "X": 1.0}


@pytest.mark.parametrize(
    ("image_size", "level"), [(1.005, "ok"), (1.03, "warning"), (1.1, "error"), (0.9, "error")]
)
def test_sizes_that_hardly_differ_are_tolerated(image_size, level):
    found = diagnostic(validate(gaussian_kernel(1.5), **facts(1, "µm", image_size, "µm")))
    assert found.level == level


def test_an_axis_that_the_psf_does_not_state_is_left_as_it_is():
    psf = gaussian_kernel((1, 2, 2)).weights
    given = {"pixel_size": {"Y": 0.5, "X": 0.5}, "image_pixel_size": dict.fromkeys("ZYX", 1.0)}
    assert "0.5 along Y" in diagnostic(validate(psf, **given)).detail
    repaired = repair(psf, **given)
    assert repaired.shape[0] == psf.shape[0]
    assert repaired.shape[1] < 0.7 * psf.shape[1]


def test_resampling_sums_whole_pixels_exactly():
    fine = RNG.random((84, 84))
    coarse = fine.reshape(21, 4, 21, 4).sum(axis=(1, 3))
    np.testing.assert_allclose(resample(fine, (0.25, 0.25), (41.5, 41.5)), coarse, rtol=1e-12)


@pytest.mark.parametrize("ratio", [0.07, 0.3, 0.8, 1.3, 5.0])
def test_resampling_keeps_the_light_and_its_centre(ratio):
    psf = gaussian_kernel((2, 3), size=(33, 41)).weights.astype(float)
    made = resample(psf, (ratio, ratio), (16, 20))
    assert all(n % 2 for n in made.shape)
    assert made.sum() == pytest.approx(psf.sum(), rel=1e-9)
    assert made.min() >= 0
    for grid, n in zip(np.indices(made.shape), made.shape, strict=True):
        assert float((grid * made).sum() / made.sum()) == pytest.approx(n // 2, abs=1e-6)


def test_resampling_does_not_exceed_the_image():
    assert resample(np.ones((9, 9)), (4, 4), (4, 4), (20, 13)).shape == (19, 13)


@pytest.mark.parametrize("ratio", [1000.0, 1e-3, 2 * MAX_RATIO])
def test_absurd_ratios_are_refused_before_memory_is_taken(ratio):
    psf = gaussian_kernel(1.5, size=9)
    given = facts(ratio, "µm", 1, "µm")
    assert "Nothing" in diagnostic(validate(psf, **given)).repair
    tracemalloc.start()
    with pytest.raises(KernelError, match="check both pixel sizes and their units"):
        repair(psf, **given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_a_resampled_psf_of_too_many_samples_is_refused():
    with pytest.raises(KernelError, match="crop it to its support"):
        resample(np.ones((200, 200)), (31, 31), (100, 100))


def test_negatives_of_rounding_are_a_note_and_larger_ones_an_error():
    psf = gaussian_kernel(1.5, size=9).weights.astype(float)
    psf[0, 0] = -5e-4 * psf.max()
    assert diagnostic(validate(psf), "negatives").level == "note"
    psf[0, 0] = -5e-3 * psf.max()
    assert diagnostic(validate(psf), "negatives").level == "error"
