"""Initialisation of both networks with the kernel of another estimator and its sharp image."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.colour import to_luma
from unblur.numerics.noise import estimate_noise
from unblur.plugins.manager import registry
from unblur_selfdeblur.initial_kernel import fit_kernel
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import Observation

INITIAL_DECONVOLVER = "hyper-laplacian"
"""Name of the stage that deconvolves the data with the initial kernel."""
MIN_RELATIVE_NOISE = 0.06
"""Least standard deviation of the noise that this stage is told, as a fraction of the data's,
dimensionless: errors of the kernel ring less, and the networks add the details."""
IMAGE_INPUTS = 1
"""Number of inputs of the image network that are the deconvolved image and not noise,
dimensionless."""


def initialise(generators: Generators, kernel: Tensor, data: Observation, context: Context) -> None:
    """Let the networks start from a kernel: one generates it, the other is given its image.

    Parameters
    ----------
    generators : Generators
        Changed in place: the kernel network is fitted to the kernel, and the first input of the
        image network becomes the luma of the data as deconvolved with it.
    kernel : (n, n)
        Kernel of sum 1, with the middle of its support at `n // 2`.
    data : Observation
        What the networks will be fitted to, on their device.
    context : Context
        Noise in the unit of the data, cancellation.

    Raises
    ------
    UsageError
        If there is no stage `hyper-laplacian`.
    """
    fit_kernel(generators, kernel, context.checkpoint)
    image = to_luma(deconvolve_assuming_noise(data, kernel, context))
    scene = extend_to_scene(image, kernel.shape[-1])
    generators.image_noise[:, :IMAGE_INPUTS] = scene.to(generators.image_noise)


def deconvolve_assuming_noise(data: Observation, kernel: Tensor, context: Context) -> Tensor:
    """Return the data (C, H, W) deconvolved as if they had noise of at least 6 % of their contrast.

    Raises
    ------
    UsageError
        If there is no stage `hyper-laplacian`.
    """
    deconvolver: Any = registry().stage("deconvolve", INITIAL_DECONVOLVER)
    weights = Kernel(kernel.double().cpu().numpy())
    mask = None if data.valid is None else data.valid.to(data.blurred)
    noise = context.noise if context.noise is not None else estimate_noise(data.blurred, mask)
    assumed = max(float(noise), MIN_RELATIVE_NOISE * float(data.blurred.std()))
    context = context.with_(noise=assumed)
    image: Tensor = deconvolver().deconvolve(data.blurred, weights, context, mask)
    return image


def extend_to_scene(image: Tensor, size: int) -> Tensor:
    """Return an image (C, H, W) extended by its edge values to (C, H + n - 1, W + n - 1).

    The scene, blurred by a kernel of `size` n, gives data that register to the image.
    """
    after = size // 2
    before = size - 1 - after
    return functional.pad(image[None], (before, after, before, after), mode="replicate")[0]
