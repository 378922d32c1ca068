"""Stages of plugins that return what they must not are named, with what they must return."""

import numpy as np
import pytest
import torch

import unblur.pipeline
from unblur import Deconvolver, KernelEstimator, Postprocessor
from unblur.engine import BuiltPipeline, DeblurJob
from unblur.engine.job import SizeLimits
from unblur.engine.kernels.estimate import find_kernels
from unblur.engine.steps.sequence import run_steps
from unblur.errors import PluginError
from unblur.model.context import Context
from unblur.model.estimates import Estimate
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.pipeline import Pipeline
from unblur.plugins.manager import registry

KERNEL = Kernel(np.full((3, 3), 1 / 9))
VOLUME = Kernel(np.full((3, 3, 3), 1 / 27))
PLUGIN = r"fault of the plugin 'test_returned'"


class Estimator(KernelEstimator):
    name = "bare"
    summary = "Returns a kernel in place of an estimate."

    def estimate(self, blurred, context, mask=None):
        return KERNEL


class Noted(KernelEstimator):
    name = "noted"
    summary = "States its notes as one text."

    def estimate(self, blurred, context, mask=None):
        return Estimate(KernelField.single(KERNEL), notes="one sentence")


class Inverse(Deconvolver):
    name = "numpy-inverse"
    summary = "Returns a numpy array."

    def deconvolve(self, blurred, kernel, context, mask=None):
        return blurred.numpy()

    def halo(self, kernel):
        return kernel.shape


class Same(Deconvolver):
    name = "same"
    summary = "Returns its input."
    returned: object = None

    def deconvolve(self, blurred, kernel, context, mask=None):
        return blurred

    def halo(self, kernel):
        return self.returned


class Nan(Same):
    name = "nan"
    summary = "Returns only NaN."
    returned = (1, 1)

    def deconvolve(self, blurred, kernel, context, mask=None):
        return blurred * float("nan")


class Step(Postprocessor):
    name = "forgetful"
    summary = "Returns nothing."

    def process(self, image, blurred, kernel, context):
        return None


@pytest.fixture
def blurred():
    return torch.rand((1, 12, 12), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("stage", "kernel", "words"),
    [
        (Estimator, None, r"kernel 'bare' must return an Estimate, .* but returned Kernel "),
        (Noted, None, r"kernel 'noted' must .* notes as a tuple of sentences, but .* a str "),
        (Inverse, KERNEL, r"'numpy-inverse' must return a torch tensor, but returned ndarray "),
        (Step, None, r"'forgetful' must return a torch tensor, but returned NoneType from pro"),
        (Nan, KERNEL, r"'nan' returned only NaN and infinite values \(144\)"),
    ],
)
def test_another_type_is_a_fault_of_the_plugin(blurred, stage, kernel, words):
    with pytest.raises(PluginError, match=rf"{words}.*{PLUGIN}"):
        run_steps(blurred, [stage()], kernel, Context())


@pytest.mark.parametrize(
    "halo", [None, 3, (3,), (2.5, 2.5), (-1, 2), ("a", "b"), (1, 1, 1)], ids=str
)
def test_a_wrong_halo_is_a_fault_of_the_plugin(halo, monkeypatch):
    monkeypatch.setitem(unblur.pipeline.registry().stages, ("deconvolve", "same"), Same)
    monkeypatch.setattr(Same, "returned", halo)
    pipeline = Pipeline.model_validate(
        {"summary": "x", "steps": [{"deconvolve": "same"}], "tiles": {"size": 32}}
    )
    words = "'same' must return a halo of 2 whole numbers of pixels, 0 or more, but returned"
    with pytest.raises(PluginError, match=rf"{words}.*{PLUGIN}"):
        unblur.deblur(np.random.default_rng(0).random((80, 80), np.float32), pipeline, KERNEL)


def test_a_halo_of_numpy_integers_in_a_list_is_one(monkeypatch):
    monkeypatch.setitem(unblur.pipeline.registry().stages, ("deconvolve", "same"), Same)
    monkeypatch.setattr(Same, "returned", [np.int64(1), np.int64(2)])
    pipeline = Pipeline.model_validate(
        {"summary": "x", "steps": [{"deconvolve": "same"}], "tiles": {"size": 32}}
    )
    image = np.random.default_rng(0).random((80, 80), np.float32)
    np.testing.assert_allclose(unblur.deblur(image, pipeline, KERNEL).image.data, image, atol=1e-6)


def returning(method, made):
    """Return an estimator of which one method returns `made`."""

    def call(self, *arguments):
        return made

    named = {
        "name": "odd",
        "summary": "Returns something odd.",
        method: call,
        "__module__": __name__,
    }
    return type("Odd", (Estimator,), named)


@pytest.mark.parametrize(
    ("method", "made", "words"),
    [
        ("known_kernel", KERNEL, "a KernelField or None, but returned Kernel from known_kernel"),
        (
            "kernel_from_metadata",
            KERNEL,
            r"an Estimate, .* but returned Kernel from kernel_from_meta",
        ),
        ("kernel_from_metadata", Estimate.of(VOLUME), "a 2-D kernel, but returned a 3-D one from"),
        (
            "kernel_from_metadata",
            Estimate("field"),
            "an Estimate of a KernelField, but returned str from kernel",
        ),
        ("prepare_for_image", None, "a copy of the stage, but returned NoneType from prepare_for"),
    ],
)
def test_what_a_kernel_step_returns_of_metadata_is_checked(method, made, words, monkeypatch):
    monkeypatch.setitem(
        unblur.pipeline.registry().stages, ("kernel", "odd"), returning(method, made)
    )
    monkeypatch.setitem(unblur.pipeline.registry().stages, ("deconvolve", "same"), Same)
    steps = [{"kernel": "odd"}, {"deconvolve": "same"}]
    pipeline = Pipeline.model_validate({"summary": "x", "steps": steps})
    image = Image(np.random.default_rng(0).random((12, 12), np.float32), "YX")
    with pytest.raises(PluginError, match=rf"kernel 'odd' must return {words}.*{PLUGIN}"):
        BuiltPipeline.of(pipeline).for_image(image)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (KERNEL, "an Estimate, .* but returned Kernel from estimate_from_windows"),
        (Estimate.of(VOLUME), "a 2-D kernel, but returned a 3-D one from estimate_from_windows"),
    ],
)
def test_what_a_kernel_step_returns_of_windows_is_checked(made, words, monkeypatch):
    stage = returning("estimate_from_windows", made)
    monkeypatch.setattr(stage, "region", 8)
    monkeypatch.setitem(unblur.pipeline.registry().stages, ("kernel", "odd"), stage)
    monkeypatch.setitem(unblur.pipeline.registry().stages, ("deconvolve", "same"), Same)
    steps = [{"kernel": "odd"}, {"deconvolve": "same"}]
    pipeline = Pipeline.model_validate({"summary": "x", "steps": steps})
    image = Image(np.random.default_rng(0).random((80, 80), np.float32), "YX")
    job = DeblurJob.of(image, pipeline, None, Context(), limits=SizeLimits(whole_kernel=1))
    with pytest.raises(PluginError, match=rf"kernel 'odd' must return {words}.*{PLUGIN}"):
        find_kernels(job)


def test_what_calibration_returns_is_checked(monkeypatch):
    from unblur.engine.steps.block import checked_calibration

    stage = Same()
    assert checked_calibration(stage, stage) is stage
    with pytest.raises(PluginError, match=rf"a copy of the stage, but .*from calibrate.*{PLUGIN}"):
        checked_calibration(None, stage)


def test_a_shipped_stage_is_our_fault():
    from unblur.plugins.faults import fault_of

    wiener = registry().stage("deconvolve", "wiener")
    assert fault_of(wiener) == "this is a fault of unblur; please report it"
