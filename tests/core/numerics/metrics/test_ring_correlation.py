"""Fourier ring and shell correlation: brute force, independent images, noise, and a page."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter

from unblur import deblur
from unblur.bench.scores import resolution_of
from unblur.errors import ImageError
from unblur.model.image import Image
from unblur.numerics.metrics import ring_correlation, split_noise, split_resolution
from unblur.numerics.metrics.noise_correlation import estimate_noise_correlation
from unblur.numerics.metrics.ring_correlation import RingCorrelation, estimate_noise_variance
from unblur.numerics.synthesis import gaussian_kernel
from unblur.report import ReportEntry
from unblur.report.resolution import describe, measure_resolution
from unblur.report.sections import section

SHAPE = (96, 96)


def scene(shape=SHAPE, seed=0, photons=200.0, sigma=1.2):
    values = np.random.default_rng(seed).random(shape) ** 8
    return photons * gaussian_filter(values, sigma) / values.mean()


def test_rings_equal_sums_over_single_coefficients():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 16, 18))
    found = ring_correlation(first, second)
    from unblur.numerics.metrics.ring_correlation import _tapered

    one, two = (np.fft.fft2(_tapered(x)) for x in (first, second))
    width = 1 / 16
    for number in range(len(found.frequency)):
        cross = power1 = power2 = 0.0
        for i, y in enumerate(np.fft.fftfreq(16)):
            for j, x in enumerate(np.fft.fftfreq(18)):
                if int(np.hypot(y, x) / width + 0.5) == number + 1:
                    cross += (one[i, j] * two[i, j].conj()).real
                    power1 += abs(one[i, j]) ** 2
                    power2 += abs(two[i, j]) ** 2
        expected = cross / np.sqrt(power1 * power2)
        assert found.correlation[number] == pytest.approx(expected)


def test_a_split_image_resolves_as_two_images_of_half_the_photons_do():
    rng = np.random.default_rng(1)
    clean = scene((192, 192))
    halves = [rng.poisson(clean / 2).astype(float) for _ in range(2)]
    counts = rng.poisson(clean).astype(float)
    first = rng.binomial(counts.astype(int), 0.5)
    two_images = ring_correlation(*halves).resolution()
    binomial = ring_correlation(first.astype(float), counts - first).resolution()
    split = split_resolution(counts).before.resolution()
    camera = split_resolution(3.0 * counts + 500).before.resolution()
    assert 2.5 < two_images < 10
    for found in (binomial, split, camera):
        assert found == pytest.approx(two_images, rel=0.1)


def test_the_noise_of_photons_and_of_a_sensor_is_measured():
    rng = np.random.default_rng(2)
    clean = scene((128, 128), photons=500, sigma=2.5)
    gain, constant = estimate_noise_variance(
        2.0 * rng.poisson(clean) + rng.normal(0, 5, clean.shape)
    )
    assert gain == pytest.approx(2, rel=0.25)
    level = clean.mean() * 2
    assert gain * level + constant == pytest.approx(2 * level + 25, rel=0.15)
    gain, constant = estimate_noise_variance(rng.normal(100, 3, (64, 64)))
    assert gain * 100 + constant == pytest.approx(9, rel=0.15)
    one, two = split_noise(rng.normal(100, 3, (128, 128)))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.1


def correlated_noise(rng, shape, response):
    """Noise of standard deviation 1, of which pixels share a part with their neighbours."""
    noise = rng.normal(size=shape)
    for axis, weights in response.items():
        noise = convolve1d(noise, np.array(weights) / np.linalg.norm(weights), axis)
    return noise


@pytest.mark.parametrize("response", [{1: (1, 2, 1)}, {0: (1, 1)}, {0: (1, 3, 1), 1: (1, 3, 1)}])
def test_noise_that_neighbours_share_is_not_resolution(response):
    rng = np.random.default_rng(6)
    clean = scene((192, 192), sigma=2.0)
    two_images = ring_correlation(
        *(clean + 55 * correlated_noise(rng, clean.shape, response) for _ in range(2))
    ).resolution()
    image = clean + 55 / np.sqrt(2) * correlated_noise(rng, clean.shape, response)
    assert 4 < two_images < 20
    assert split_resolution(image).before.resolution() == pytest.approx(two_images, rel=0.15)
    gain, constant = estimate_noise_variance(image)
    assert gain * clean.mean() + constant == pytest.approx(55**2 / 2, rel=0.25)


def test_white_noise_is_found_to_be_white():
    rng = np.random.default_rng(7)
    for shape in ((16, 16), (9, 48, 48), (192, 192)):
        image = rng.poisson(scene(shape, sigma=2.0)).astype(float)
        assert [list(along) for along in estimate_noise_correlation(image)] == [[1.0], [1.0]]
    assert [list(along) for along in estimate_noise_correlation(np.ones((20, 20)))] == [[1], [1]]
    rows, columns = estimate_noise_correlation(correlated_noise(rng, (192, 192), {1: (1, 2, 1)}))
    assert list(rows) == [1.0]
    assert columns[:3] == pytest.approx([1, 2 / 3, 1 / 6], abs=0.05)


def test_sharpened_noise_is_not_resolution():
    rng = np.random.default_rng(3)
    counts = rng.poisson(scene((128, 128))).astype(float)

    def sharpen(x):
        return x + 20 * (x - gaussian_filter(x, 1))

    found = split_resolution(counts, sharpen)
    assert found.after.resolution() == pytest.approx(found.before.resolution(), rel=0.05)


def test_shells_are_in_physical_units():
    rng = np.random.default_rng(4)
    stack = rng.poisson(scene((12, 64, 64))).astype(float)
    pixels = split_resolution(stack[:, ::1], None, (1.0, 1.0, 1.0)).before
    scaled = split_resolution(stack, None, (0.1, 0.1, 0.1)).before
    assert scaled.resolution() == pytest.approx(0.1 * pixels.resolution())
    coarse = split_resolution(stack, None, (0.3, 0.1, 0.1)).before
    assert coarse.frequency[-1] <= 5


def test_the_ends_of_a_curve_have_their_own_words():
    ones = RingCorrelation(np.array([0.1, 0.3, 0.5]), np.ones(3), np.ones(3))
    assert ones.resolution() is None
    assert describe(ones, "px") == "two pixels (2 px) or better"
    none = RingCorrelation(ones.frequency, np.zeros(3), np.ones(3))
    assert none.resolution() == float("inf")
    assert describe(none, "px") == "none above the noise"
    with pytest.raises(ImageError, match="one shape"):
        ring_correlation(np.ones((20, 20)), np.ones((20, 21)))
    with pytest.raises(ImageError, match="16 pixels"):
        ring_correlation(np.ones((8, 8)), np.ones((8, 8)))


def blurred(shape=SHAPE):
    values = np.random.default_rng(5).poisson(scene(shape)).astype(np.uint16)
    axes = "ZYX"[-len(shape) :]
    return Image(values, axes, dict.fromkeys(axes, 0.1), dict.fromkeys(axes, "µm"))


@pytest.mark.parametrize("shape", [SHAPE, (9, 48, 48)])
def test_a_report_page_shows_the_resolution_before_and_after(shape):
    image = blurred(shape)
    kernel = gaussian_kernel((1.0,) * len(shape), 5)
    result = deblur(image, "richardson-lucy", kernel, deconvolve__iterations=3, device="cpu")
    report = result.report.model_dump(mode="json")
    entry = ReportEntry("cells.tif", image, result.image, result.kernel, report)
    measured = measure_resolution(entry, "cpu")
    assert measured.unit == "µm"
    assert measured.curves.after is not None
    page = section(entry, 0, with_resolution=True)
    assert "<h3>Resolution</h3>" in page
    assert ("shell" if len(shape) == 3 else "ring") + " correlation" in page
    alone = measure_resolution(ReportEntry("x", image, result.image, None, {}))
    assert alone.curves.after is None
    assert "no report" in alone.note


def test_a_benchmark_restores_the_halves():
    image = blurred()
    kernel = gaussian_kernel(1.0, 5)
    before, after = resolution_of(
        image, lambda half: deblur(half, "wiener", kernel, device="cpu").image
    )
    assert after == pytest.approx(before, rel=0.3)
