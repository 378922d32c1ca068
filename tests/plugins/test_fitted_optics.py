"""The estimator `fitted-optics`: what a stack determines, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from unblur import deblur
from unblur.errors import UsageError
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.model.stages import ImageWindow
from unblur.numerics.operators import Blur
from unblur.numerics.optics import Beam, Microscope, microscope_kernel
from unblur_classic.optics.fitted_estimator import FittedOptics
from unblur_classic.optics.held_out_prediction import HeldOutPrediction
from unblur_classic.optics.line_search import SearchedParameter
from unblur_classic.optics.parameter_fit import (
    BIAS_ERROR,
    DRIFT,
    MODEL_ERROR,
    NOISE_GAIN,
    RELATIVE_ERROR,
    fit_parameters,
)
from unblur_classic.optics.searched_parameters import spherical_of_mismatch

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


LIMITS = SearchedParameter("x", 0.0, 0.1, (-0.6, 0.6), 0.05)
OFFSETS = torch.linspace(-0.01, 0.01, 4, dtype=torch.float64)


def parabola(vertex, early=None):
    def deviance(values):
        last = (values[0] - vertex - OFFSETS) ** 2
        return torch.stack([last if early is None else (values[0] - early - OFFSETS) ** 2, last])

    return deviance


def unbiased(true):
    return parabola(true[0])


@pytest.mark.parametrize(
    ("deviance", "value", "is_determined"),
    [
        (parabola(0.3), 0.3, True),
        (parabola(0.3, early=-0.3), 0.3, False),  # the iteration has not converged
        (parabola(2.0), 0.0, False),  # beyond the bounds
        (lambda v: torch.zeros(2, 4), 0.0, False),
    ],
)
def test_a_value_is_determined_by_a_minimum_that_has_converged(deviance, value, is_determined):
    (fitted,) = fit_parameters(deviance, unbiased, [LIMITS])
    assert fitted.is_determined == is_determined
    assert fitted.value == pytest.approx(value, abs=1e-6)


def test_a_further_parameter_that_agrees_with_its_initial_value_is_not_used():
    hessian = torch.eye(2).double()
    both = [LIMITS, SearchedParameter("y", 0.0, 0.1, (-0.6, 0.6), 0.05)]
    for second, is_used in ((0.015, False), (0.1, True)):
        fits = fit_parameters(
            quadratic((0.2, second), hessian), lambda v: quadratic(v, hessian), both
        )
        assert [fitted.is_determined for fitted in fits] == [True, True]
        assert [fitted.is_used for fitted in fits] == [True, is_used]


def test_the_bias_is_that_of_data_simulated_at_the_minimum_and_at_the_corrected_value():
    """The minima are at 0.7 and 0.9 of the value: of 0.3 they are 0.21 and 0.27."""

    def scaled(true):
        return parabola(0.9 * true[0], early=0.7 * true[0])

    (fitted,) = fit_parameters(scaled((0.3,)), scaled, [LIMITS])
    once = 0.27 + 0.1 * 0.27
    twice, early = once + 0.27 - 0.9 * once, once + 0.21 - 0.7 * once
    assert fitted.value == pytest.approx(twice, abs=1e-6)
    terms = [BIAS_ERROR * (twice - once), DRIFT * (twice - early), MODEL_ERROR * LIMITS.step]
    terms += [NOISE_GAIN * float(OFFSETS.std()) / 2, RELATIVE_ERROR * twice]
    assert fitted.standard_deviation == pytest.approx(np.linalg.norm(terms), rel=1e-6)


def quadratic(vertex, hessian):
    """Return a deviance of two parameters whose blocks have their minima about `vertex`."""
    offsets = torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]]) * 0.01

    def deviance(values):
        left = torch.tensor(values).double() - torch.tensor(vertex) - offsets
        return torch.einsum("bi,ij,bj->b", left, hessian, left).expand(2, -1)

    return deviance


def test_correlated_parameters_are_fitted_together():
    hessian = torch.tensor([[1.0, 0.8], [0.8, 1.0]]).double()
    both = [LIMITS, SearchedParameter("y", 0.0, 0.1, (-0.6, 0.6), 0.05)]
    fits = fit_parameters(quadratic((0.2, -0.1), hessian), lambda v: quadratic(v, hessian), both)
    assert [fitted.value for fitted in fits] == pytest.approx([0.2, -0.1], abs=1e-6)
    assert all(fitted.is_determined for fitted in fits)
    noise = NOISE_GAIN * np.sqrt(2 * 0.01**2 / 3 / 4)
    deviation = np.linalg.norm([noise, MODEL_ERROR * LIMITS.step, RELATIVE_ERROR * 0.2])
    assert fits[0].standard_deviation == pytest.approx(deviation, rel=1e-6)


def test_what_is_not_determined_together_leaves_the_first_as_it_was():
    hessian = torch.tensor([[1.0, 1.0], [1.0, 1.0]]).double()
    both = [LIMITS, SearchedParameter("y", 0.0, 0.1, (-0.6, 0.6), 0.05)]
    fits = fit_parameters(quadratic((0.2, 0.0), hessian), lambda v: quadratic(v, hessian), both)
    assert [fitted.is_determined for fitted in fits] == [True, False]
    assert fits[0].value == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("index", [1.2, 1.5])
def test_the_spherical_aberration_of_a_mismatch_explains_most_of_its_psf(index):
    def psf(beam):
        return microscope_kernel(Microscope("widefield", beam), 0.2, 1.0, size=9, planes=9).weights

    ideal = Beam(0.52, 0.8, 1.0, 1.0, is_vectorial=False)
    at_depth = replace(ideal, sample_index=index, depth=20.0)
    alone = replace(ideal, spherical=spherical_of_mismatch(at_depth))
    left = np.linalg.norm(psf(at_depth) - psf(alone))
    assert left < 0.4 * np.linalg.norm(psf(at_depth) - psf(ideal))


def test_a_depth_is_fitted_where_the_psf_depends_on_it(counts):
    mismatch = {**OPTICS, **MODEL, "fit": ("depth_um",)}
    with pytest.raises(UsageError, match="sample_index"):
        FittedOptics(mismatch).estimate(counts_tensor(counts), Context())
    with pytest.raises(UsageError, match="depth_um"):
        FittedOptics(mismatch | {"fit": ("sample_index",)}).estimate(
            counts_tensor(counts), Context()
        )


def counts_tensor(counts):
    return torch.from_numpy(counts / counts.max())


def test_a_displaced_psf_explains_a_stack_as_well(counts):
    """So a displacement along the axis is not determined; an aberration changes it more."""
    prediction = HeldOutPrediction(counts_tensor(counts), Context())

    def deviance(spherical, displacement):
        beam = Beam(0.52, 0.8, 1.0, 1.0, 0.0, spherical, is_vectorial=False)
        kernel = microscope_kernel(Microscope("widefield", beam), 0.2, 1.0, size=17, planes=17)
        weights = np.roll(kernel.weights, displacement, 0)
        return float(prediction.deviance([Kernel(weights)])[1].sum())

    at_best = deviance(0.1, 0)
    assert abs(deviance(0.1, 1) - at_best) < 0.3 * (deviance(-0.1, 0) - at_best)


def test_fewer_iterations_predict_a_smooth_scene_better_than_points():
    """Noise is fitted in a smooth scene, and points are not yet sharp."""
    beam = Beam(0.52, 0.8, 1.0, 1.0, is_vectorial=False)
    kernel = microscope_kernel(Microscope("widefield", beam), 0.2, 1.0, size=9, planes=9)
    blur = Blur(kernel.tensor(), (6, 20, 20))
    points = torch.zeros(1, *blur.domain)
    points[0, 7, ::6, ::6] = 1
    found = []
    for scene in (torch.ones(1, *blur.domain), points):
        expected = blur.forward(scene).clamp_min(0)
        expected = (expected / expected.max()).numpy() * 200
        counts = torch.from_numpy(np.random.default_rng(0).poisson(expected).astype(np.float32))
        prediction = HeldOutPrediction(counts, Context()).with_best_iterations([kernel])
        assert prediction.deviance([kernel]).shape == (2, 16)
        found.append(prediction._iterations)
    assert found[0] < found[1]


def test_a_simulated_stack_has_the_noise_of_the_data(counts):
    beam = Beam(0.52, 0.8, 1.0, 1.0, 0.0, 0.1, is_vectorial=False)
    kernel = microscope_kernel(Microscope("widefield", beam), 0.2, 1.0, size=17, planes=17)
    data = HeldOutPrediction(torch.from_numpy(counts), Context())
    simulated = data.simulated([kernel])._data * float(counts.max())
    stack = torch.from_numpy(counts)
    variance = (stack + simulated) / 2  # of counts
    ratio = ((stack - simulated).square() / variance).mean() / 2
    assert 0.7 < float(ratio) < 1.5  # left-out voxels show the error of their prediction too
