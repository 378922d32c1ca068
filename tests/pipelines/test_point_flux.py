"""Pipelines keep the flux of points in images without an upper limit."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from unblur import deblur

PIPELINES = ("wiener", "hyper-laplacian", "tv")


def bell(sigma, size=15):
    """Return a Gaussian kernel, (size, size), sum 1."""
    rows, columns = np.mgrid[:size, :size] - size // 2
    kernel = np.exp(-(rows**2 + columns**2) / (2 * sigma**2))
    return kernel / kernel.sum()


def point(sigma, sky, flux, noise=0.0):
    """Return a blurred point in the middle of a sky, (80, 80) float32, and its kernel."""
    kernel, scene = bell(sigma), np.zeros((80, 80))
    scene[40, 40] = flux
    blurred = sky + fftconvolve(scene, kernel, "same")
    blurred += noise * np.random.default_rng(0).standard_normal(blurred.shape)
    return blurred.astype(np.float32), kernel


def flux_of(image, sky):
    return float((image[20:61, 20:61].astype(float) - sky).sum())


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize(
    ("sky", "flux", "noise"), [(0, 10, 0), (0.05, 10, 0.001), (200, 30000, 2), (-5, 3000, 0.5)]
)
def test_a_point_keeps_its_flux(pipeline, sky, flux, noise):
    blurred, kernel = point(1.5, sky, flux, noise)
    blurred = blurred if sky < 0 else np.maximum(blurred, 0)
    sharp = deblur(blurred, pipeline, kernel, device="cpu").image
    assert flux_of(sharp, np.median(sharp)) == pytest.approx(
        flux_of(blurred, np.median(blurred)), rel=0.02
    )
    assert sharp.max() > 1.3 * blurred.max()
    assert sky < 0 or sharp.min() >= 0


def test_tiles_keep_it_as_the_whole_image_does():
    blurred, kernel = point(1.5, 0, 10)
    whole = deblur(blurred, "wiener", kernel, device="cpu", noise=0.001).image
    tiles = deblur(blurred, "wiener", kernel, device="cpu", noise=0.001, tile=40).image
    np.testing.assert_allclose(tiles, whole, atol=2e-3 * whole.max())


def test_integers_are_clipped_to_their_type():
    blurred, kernel = point(1.5, 0, 10)
    grey = (blurred / blurred.max() * 250).astype(np.uint8)
    sharp = deblur(grey, "wiener", kernel, device="cpu").image
    assert sharp.max() == 255
