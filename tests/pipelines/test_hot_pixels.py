"""A hot pixel changes nothing else: its value set white and contrast once."""

import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter

from unblur.engine import deblur

HOT = (8, 9)


@pytest.mark.parametrize("pipeline", ["wiener", "tv", "map-hyper-laplacian"])
def test_a_hot_pixel_is_as_a_missing_one_and_keeps_its_value(pipeline):
    rng = np.random.default_rng(5)
    scene = (gaussian_filter(rng.random((96, 110)), 2) * 4 - 1.5).clip(0, 1)
    kernel = np.outer(*[np.exp(-(np.arange(-3, 4) ** 2) / 2.5)] * 2)
    cold = convolve(scene, kernel / kernel.sum()) + rng.normal(0, 0.01, scene.shape)
    images = [cold.astype(np.float32) for _ in range(3)]
    images[1][HOT], images[2][HOT] = 50, np.nan
    psf = None if pipeline.startswith("map") else kernel
    plain, hot, missing = (np.asarray(deblur(image, pipeline, psf).image) for image in images)
    assert hot[HOT] == 50
    assert np.isnan(missing[HOT])
    hot[HOT] = np.nan
    np.testing.assert_array_equal(hot, missing)
    if psf is not None:
        assert abs(hot - plain)[40:, 40:].mean() < 3e-4
