"""Tiny stages for tests of the engine, exact enough to be known by hand."""

import time

import numpy as np
import torch
from pydantic import Field
from scipy.ndimage import convolve

from unblur.model.kernel import Kernel
from unblur.model.stages import Deconvolver, Estimate, KernelEstimator, Params, Postprocessor
from unblur.numerics.fourier import apply_otf, fft, inverse_fft, psf_to_otf
from unblur.plugins.manager import Registry


class Inverse(Deconvolver):
    """A regularised inverse filter that wraps around: wrong at the border, right inside."""

    name = "inverse"
    summary = "x = F^-1(conj(K) F(y) / (|K|^2 + 1e-3))."
    dimensions = frozenset({2, 3})

    def deconvolve(self, blurred, kernel, context, mask=None):
        shape = blurred.shape[1:]
        otf = psf_to_otf(kernel.tensor().to(blurred), shape)
        spectrum = otf.conj() * fft(blurred, len(shape)) / (otf.abs() ** 2 + 1e-3)
        return inverse_fft(spectrum, shape)

    def halo(self, kernel):
        return tuple(16 * r for r in kernel.half_width)


class Sharpen(Deconvolver):
    """Two steps of Van Cittert's iteration: a finite filter, so that its halo is exact."""

    name = "sharpen"
    summary = "x = y + (y - k * y), twice; border replicated."
    tolerance = 1e-5

    def deconvolve(self, blurred, kernel, context, mask=None):
        context.checkpoint()
        x = blurred
        for _ in range(2):
            x = (
                x
                + blurred
                - torch.from_numpy(
                    np.stack([convolve(c, kernel.weights, mode="nearest") for c in x.numpy()])
                )
            )
        return x

    def halo(self, kernel):
        return tuple(2 * r for r in kernel.half_width)


class Blackout(Sharpen):
    """As `sharpen`, after invalid pixels are set to 0."""

    name = "blackout"
    summary = "Sharpen what is valid."

    def deconvolve(self, blurred, kernel, context, mask=None):
        valid = blurred if mask is None else blurred * mask
        return super().deconvolve(valid, kernel, context)


class Luma(Blackout):
    """The mean of the valid channels in each of them."""

    name = "luma"
    summary = "Sharpen the mean of the channels."
    couples_channels = True

    def deconvolve(self, blurred, kernel, context, mask=None):
        sharp = super().deconvolve(blurred, kernel, context, mask)
        return sharp.mean(0, keepdim=True).expand_as(sharp)


class Box(KernelEstimator):
    name = "box"
    summary = "Says that the blur is a box of 3 pixels, and notes what it was shown."
    seen = []

    def estimate(self, blurred, context, mask=None):
        Box.seen.append((tuple(blurred.shape), None if mask is None else float(mask.mean())))
        return Estimate.of(Kernel(np.full((3, 3), 1 / 9)), latent=blurred * 0.5)


class Spoil(Postprocessor):
    name = "spoil"
    summary = "Makes the first value NaN."

    def process(self, image, blurred, kernel, context):
        made = image.clone()
        made[(0,) * made.ndim] = float("nan")
        return made


class Zero(Postprocessor):
    name = "zero"
    summary = "Makes everything 0."

    def process(self, image, blurred, kernel, context):
        return torch.zeros_like(image)


class Lazy(Deconvolver):
    name = "lazy"
    summary = "Does nothing."

    def deconvolve(self, blurred, kernel, context, mask=None):
        return blurred

    def halo(self, kernel):
        return kernel.half_width


class Slow(Sharpen):
    """As `sharpen`, but each tile takes its time, so that there is time to break something."""

    name = "slow"
    summary = "Sharpen slowly."

    class Params(Params):
        seconds: float = Field(0.3, ge=0, description="Time for each call, seconds.")

    def deconvolve(self, blurred, kernel, context, mask=None):
        time.sleep(self.params.seconds)
        return super().deconvolve(blurred, kernel, context, mask)


class Hungry(Sharpen):
    """As `sharpen`, but runs out of memory above a number of pixels, or below a width."""

    name = "hungry"
    summary = "Sharpen, or run out of memory."

    class Params(Params):
        largest: int = Field(10**9, ge=1, description="Largest number of pixels of a call.")
        narrowest: int = Field(1, ge=1, description="Smallest width of a call, pixels.")

    def deconvolve(self, blurred, kernel, context, mask=None):
        if blurred[0].numel() > self.params.largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if blurred.shape[-1] < self.params.narrowest:
            raise MemoryError
        return super().deconvolve(blurred, kernel, context, mask)


class Failing(Sharpen):
    name = "failing"
    summary = "Raises an error."

    def deconvolve(self, blurred, kernel, context, mask=None):
        raise ValueError("no")


class Counted(Sharpen):
    """As `sharpen`, and counts its calls."""

    name = "counted"
    summary = "Sharpen, and count."
    calls = []

    def deconvolve(self, blurred, kernel, context, mask=None):
        Counted.calls.append(tuple(blurred.shape))
        return super().deconvolve(blurred, kernel, context, mask)


class SmallRegionBox(Box):
    """As `box`, but estimates on regions of 64 pixels."""

    name = "small-region-box"
    region = 64


class Broken(Sharpen):
    """As `sharpen`, but fails where the image is marked with a value above 0.99."""

    name = "broken"
    summary = "Sharpen, or fail."

    def deconvolve(self, blurred, kernel, context, mask=None):
        if blurred[0].max() > 0.99 and blurred[0].numel() < 10_000:
            raise ArithmeticError("the mark was seen")
        return super().deconvolve(blurred, kernel, context, mask)


ALL = (
    *(Inverse, Slow, Broken, Hungry, Failing, Counted, Sharpen, Blackout, Luma),
    *(Box, SmallRegionBox, Spoil, Zero, Lazy),
)


def tiny_registry():
    found = Registry()
    for cls in ALL:
        found.stages[cls.kind, cls.name] = cls
    return found


def blur(sharp, kernel):
    """Blur periodically, by the definition in the Fourier domain."""
    x = torch.from_numpy(np.asarray(sharp, np.float64))
    return apply_otf(x, psf_to_otf(torch.from_numpy(kernel), x.shape), x.ndim).numpy()
