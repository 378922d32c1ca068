"""Pictures with a frame of one value, which was added after the blur, by the installed methods."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

import unblur
from unblur.engine.job import DeblurJob, as_pipeline
from unblur.engine.tiles.tiling import blocks_or_windows
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.numerics.constant_frame import frame_mask

RNG = np.random.default_rng(4)
INSIDE = slice(20, 76), slice(0, 90)
KERNEL = np.outer(*[[1, 4, 6, 4, 1]] * 2) / 256


def scene():
    values = gaussian_filter(RNG.random((96, 90)), 2)
    return (values - values.min()) / np.ptp(values) * 200 + 30


def framed(values):
    result = np.zeros_like(values)
    result[INSIDE] = values[INSIDE]
    return result


@pytest.mark.parametrize("pipeline", ["wiener", "hyper-laplacian", "richardson-lucy"])
@pytest.mark.parametrize("options", [{}, {"tile": 48}, {"nonfinite": "fill"}])
def test_a_frame_stays_as_it_is_and_makes_no_rings(pipeline, options):
    sharp = RNG.random((100, 94)) * 200
    whole = np.rint(np.clip(fftconvolve(sharp, KERNEL, "valid"), 0, 255)).astype(np.uint8)
    given = framed(whole)
    result = unblur.deblur(given, pipeline, KERNEL, noise=0.02, **options)
    outside = frame_mask(INSIDE, given.shape, (0, 0))
    assert not result.image[outside].any()
    assert any("a frame of one value" in note for note in result.report.warnings)
    assert not any("finite" in note for note in result.report.warnings)
    expected = unblur.deblur(whole[INSIDE], pipeline, KERNEL, noise=0.02)
    difference = result.image[INSIDE].astype(float) - expected.image
    assert np.abs(difference).mean() < 2


def test_a_window_has_the_mask_of_its_place():
    image = Image(framed(scene()).astype(np.uint8), "YX")
    job = DeblurJob.of(image, as_pipeline("wiener", {}), KERNEL, Context(device="cpu"))
    (whole,) = blocks_or_windows(job.layout, 24, 9)
    for rows, columns in ((slice(0, 40), slice(5, 50)), (slice(20, 76), slice(0, 90))):
        _, mask = job.read(replace(whole, padded=(rows, columns), interior=(rows, columns)))
        expected = frame_mask(INSIDE, (rows.stop - rows.start, columns.stop - columns.start),
                              (rows.start, columns.start))  # fmt: skip
        assert (mask is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(mask.squeeze().numpy() == 0, expected)
