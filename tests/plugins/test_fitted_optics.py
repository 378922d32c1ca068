"""The estimator `fitted-optics`: what a stack determines, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unblur import deblur
from unblur.errors import UsageError
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.stages import ImageWindow
from unblur.numerics.operators import Blur
from unblur.numerics.optics import Beam, Microscope, microscope_kernel
from unblur_classic.optics.fitted_estimator import FittedOptics
from unblur_classic.optics.parameter_fit import fit_parameter

OPTICS = {"na": 0.8, "immersion": "air", "emission_nm": 520, "pixel_um": 0.2, "step_um": 1.0}
MODEL = {"model": "scalar", "size": 17}


@pytest.fixture(scope="module")
def counts():
    """Points blurred by optics with a spherical aberration of 0.1 wavelengths, (9, 28, 28)."""
    rng = np.random.default_rng(1)
    beam = Beam(0.52, 0.8, 1.0, 1.0, 0.0, 0.1, is_vectorial=False)
    kernel = microscope_kernel(Microscope("widefield", beam), 0.2, 1.0, size=17, planes=17)
    blur = Blur(kernel.tensor(), (9, 28, 28))
    scene = torch.zeros(1, *blur.domain)
    for _ in range(40):
        scene[0, rng.integers(6, 19), rng.integers(8, 36), rng.integers(8, 36)] += 1
    blurred = blur.forward(scene).clamp_min(0)
    return rng.poisson((blurred / blurred.max()).numpy() * 1000 + 10).astype(np.float32)


def test_the_aberration_is_found_and_reported_with_its_deviation(counts):
    image = Image(counts[0].astype(np.uint16), "ZYX", {"Z": 1.0, "Y": 0.2, "X": 0.2},
                  dict.fromkeys("ZYX", "µm"),
                  metadata={"optics": {"na": 0.8, "immersion": "air",
                                       "channels": ({"emission_nm": 520.0},)}})  # fmt: skip
    settings = {f"kernel.{k}": v for k, v in MODEL.items()}
    settings |= {"kernel.fit": ["spherical"], "richardson-lucy.iterations": 2}
    result = deblur(image, "fitted-optics-richardson-lucy", device="cpu", **settings)
    choices = result.report.kernel.choices
    assert choices["NA 0.8"] == "metadata of the image"
    text = choices["fitted spherical"]
    assert "determined: yes; that of the optics, 0, " in text
    value = float(text.split(" ± ")[0])
    assert value == pytest.approx(0.1, abs=0.04)
    beam = Beam(0.52, 0.8, 1.0, 1.0, 0.0, value, is_vectorial=False)
    planes = result.kernel.mean.shape[0]
    own = microscope_kernel(Microscope("widefield", beam), 0.2, 1.0, size=17, planes=planes)
    np.testing.assert_allclose(result.kernel.mean.weights, own.weights, atol=2e-4)


def test_what_a_uniform_stack_does_not_determine_is_that_of_the_optics():
    noise = np.random.default_rng(0).poisson(400, (1, 6, 16, 16)).astype(np.float32)
    estimator = FittedOptics(OPTICS, **{**MODEL, "size": 9}, fit=("na",))
    estimate = estimator.estimate(torch.from_numpy(noise / 500), Context())
    assert "determined: no" in estimate.choices["fitted na"]
    assert estimate.choices["NA 0.8"] == "stated by a param"
    assert estimate.notes == (
        "the stack does not determine the numerical aperture; that of the optics, 0.8, is used.",
    )


def test_the_window_with_the_most_texture_is_used_and_planes_fit_nothing():
    flat, textured = torch.zeros(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    windows = [ImageWindow((), (), lambda x=x: (x, None)) for x in (flat, textured, flat)]
    estimate = FittedOptics(OPTICS, size=9).estimate_from_windows(windows, (3, 16, 16), Context())
    assert "3 planes does not determine" in estimate.notes[-1]
    plane = FittedOptics(OPTICS, size=9).estimate(torch.rand(1, 16, 16), Context())
    assert plane.kernel.ndim == 2
    with pytest.raises(UsageError, match="immersion"):
        FittedOptics(na=0.8).estimate(torch.rand(1, 9, 16, 16), Context())


def parabola(vertex, early=None, blocks=4):
    offsets = torch.linspace(-0.01, 0.01, blocks, dtype=torch.float64)

    def deviance(value):
        last = (value - vertex - offsets) ** 2
        return torch.stack([last if early is None else (value - early - offsets) ** 2, last])

    return deviance


@pytest.mark.parametrize(
    ("deviance", "value", "is_determined"),
    [
        (parabola(0.3), 0.3, True),
        (parabola(0.3, early=0.1), 0.3, False),  # the iteration has not converged
        (parabola(2.0), 0.6, False),  # beyond the bounds
        (lambda v: torch.zeros(2, 4), 0.0, False),
    ],
)
def test_a_value_is_determined_by_a_minimum_that_has_converged(deviance, value, is_determined):
    fitted = fit_parameter(deviance, 0.0, 0.1, (-0.6, 0.6), 0.05)
    assert fitted.is_determined == is_determined
    if is_determined:
        assert fitted.value == pytest.approx(value, abs=1e-6)


def test_a_value_is_extrapolated_to_a_complete_iteration():
    """The minimum moved from 0.29 to 0.3 in the second half of the steps, and 0.01 is left."""
    fitted = fit_parameter(parabola(0.3, early=0.29), 0.0, 0.1, (-0.6, 0.6), 0.05)
    assert fitted.value == pytest.approx(0.31, abs=1e-6)
    assert fitted.is_determined
