"""A run warns of results without light, or with more or less than the input."""

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from test_point_flux import bell, point

from unblur import deblur


def warnings_of(image, pipeline, kernel, **options):
    return " ".join(deblur(image, pipeline, kernel, device="cpu", **options).report.warnings)


def test_light_that_the_border_cuts_is_said():
    kernel, scene = bell(3, 25), np.full((96, 96), 0.02)
    scene[20:76:9, 14] = 60  # bright objects just beyond the border of what is seen
    blurred = fftconvolve(scene, kernel, "same")[:, 16:].astype(np.float32)
    assert "light than the input" in warnings_of(blurred, "richardson-lucy", kernel)


def test_light_that_is_kept_is_not_mentioned():
    blurred, kernel = point(1.5, 0.05, 10, 0.001)
    for options in ({}, {"tile": 40}):
        assert "light" not in warnings_of(blurred, "richardson-lucy", kernel, **options)


@pytest.mark.parametrize("options", [{}, {"tile": 40}])
def test_light_that_the_type_cuts_off_is_said(options):
    blurred, kernel = point(1.5, 0.05, 10, 0.001)
    counts = blurred * (40000 / blurred.max())
    said = warnings_of(counts.astype(np.uint16), "richardson-lucy", kernel, **options)
    assert "exceed the largest of the input's data type" in said
    said = warnings_of(counts.astype(np.float32), "richardson-lucy", kernel, **options)
    assert "exceed" not in said


def test_a_result_of_zeros_is_said():
    image = np.ones((40, 40), np.uint8)
    image[::2] = 0
    said = warnings_of(image, "wiener", bell(1.5), deconvolve__weight=1e6, clip__high=1e-3)
    assert "0 everywhere" in said


def test_the_seconds_of_local_kernels_are_those_spent():
    random = np.random.default_rng(0)
    image = torch.nn.functional.avg_pool2d(torch.rand(1, 200, 200), 3)[0].numpy()
    image = np.kron(image, np.ones((2, 2))) + 0.001 * random.standard_normal((132, 132))
    report = deblur(
        image.astype(np.float32),
        "schuler-hyper-laplacian",
        device="cpu",
        kernel__size=13,
        kernel__refinements=0,
        **{"tiles.kernel": "local", "tiles.size": 66},
    ).report
    assert report.steps[0].seconds > 0.05
