"""A stage of a plugin that returns another type is named, with what it must return."""

import numpy as np
import pytest
import torch

from unblur import Deconvolver, KernelEstimator, Postprocessor
from unblur.engine.steps.sequence import run_steps
from unblur.errors import PluginError
from unblur.model.context import Context
from unblur.model.kernel import Kernel

KERNEL = Kernel(np.full((3, 3), 1 / 9))


class Estimator(KernelEstimator):
    name = "bare"
    summary = "Returns a kernel in place of an estimate."

    def estimate(self, blurred, context, mask=None):
        return KERNEL


class Inverse(Deconvolver):
    name = "numpy-inverse"
    summary = "Returns a numpy array."

    def deconvolve(self, blurred, kernel, context, mask=None):
        return blurred.numpy()

    def halo(self, kernel):
        return kernel.shape


class Step(Postprocessor):
    name = "forgetful"
    summary = "Returns nothing."

    def process(self, image, blurred, kernel, context):
        return None


@pytest.mark.parametrize(
    ("stage", "kernel", "words"),
    [
        (Estimator, None, r"kernel 'bare' must return an Estimate, .* but returned Kernel;"),
        (Inverse, KERNEL, r"'numpy-inverse' must return a torch tensor, but returned ndarray;"),
        (Step, None, r"'forgetful' must return a torch tensor, but returned NoneType; .* plugin"),
    ],
)
def test_another_type_is_a_fault_of_the_plugin(stage, kernel, words):
    blurred = torch.rand((1, 12, 12), generator=torch.Generator().manual_seed(0))
    with pytest.raises(PluginError, match=words):
        run_steps(blurred, [stage()], kernel, Context())
