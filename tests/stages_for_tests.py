"""A tiny stage of each kind, for tests of the machinery around stages."""

import numpy as np
from pydantic import Field

from unblur.model.kernel import Kernel
from unblur.model.params import PriorChoice
from unblur.model.stages import (
    Deconvolver,
    Estimate,
    KernelEstimator,
    Params,
    Postprocessor,
    Prior,
)


class Flat(KernelEstimator):
    name = "flat"
    summary = "Always the same box."

    class Params(Params):
        size: int = Field(3, ge=1, le=99, description="Edge of the box, pixels.")

    def estimate(self, blurred, context, mask=None):
        return Estimate.of(Kernel(np.ones((self.params.size, self.params.size), np.float32)))


class Mixed(Flat):
    name = "mixed"
    summary = "A box that holds priors, and asks none."

    class Params(Params):
        size: int = Field(3, ge=1, le=99, description="Edge of the box, pixels.")
        priors: tuple[PriorChoice, ...] = Field((), description="Priors.")


class Copy(Deconvolver):
    name = "copy"
    summary = "Returns its input."

    def deconvolve(self, blurred, kernel, context, mask=None):
        return blurred.clone()

    def halo(self, kernel):
        return kernel.half_width


class Energy(Prior):
    name = "energy"
    summary = "Half the sum of squares."

    def energy(self, x):
        return 0.5 * x.square().sum()

    def gradient(self, x):
        return x

    def proximal(self, x, step):
        return x / (1 + step)


class Double(Postprocessor):
    name = "double"
    summary = "Twice the image."

    class Params(Params):
        factor: float = Field(2.0, gt=0, description="Factor, no unit.")

    def process(self, image, blurred, kernel, context):
        return self.params.factor * image


ALL = [Flat, Mixed, Copy, Energy, Double]
