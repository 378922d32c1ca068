"""Degradations of an image by a camera: blur, noise, saturation.

Images are (..., *spatial), white = 1.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional

from unblur.errors import ImageError
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur

Boundary = Literal["valid", "replicate", "reflect", "periodic"]
"""Continuation of an image beyond its border; see `blur_image`."""


class DegradedPair(NamedTuple):
    """A degraded image and the sharp image, of one shape."""

    blurred: Tensor
    sharp: Tensor


def blur_image(sharp: Tensor, kernel: Kernel, boundary: Boundary = "valid") -> Tensor:
    """Return `sharp * kernel` by true convolution, the kernel's centre at `n // 2`.

    Parameters
    ----------
    sharp : (..., *spatial) float tensor
        Image with as many trailing spatial axes as the kernel has axes.
    kernel : Kernel
        Point-spread function.
    boundary : {"valid", "replicate", "reflect", "periodic"}
        "valid" keeps the pixels whose blur lies inside the image, `n - 1` fewer along each
        axis, like a camera that records part of a larger scene; `crop_valid` crops the sharp
        image to match. The others keep the extent and continue the image by its border pixel,
        mirrored (the border pixel not repeated), or wrapped around.

    Raises
    ------
    ImageError
        If the image is too small for the kernel.
    """
    if boundary not in get_args(Boundary):
        raise ImageError(f"a boundary is one of {', '.join(get_args(Boundary))}, got '{boundary}'.")
    _check_fits(sharp, kernel)
    ndim = kernel.ndim
    if boundary != "valid":
        for axis, n in zip(range(-ndim, 0), kernel.shape, strict=True):
            sharp = _extend(sharp, axis, n - 1 - n // 2, n // 2, boundary)
    weights = kernel.tensor(dtype=sharp.dtype, device=sharp.device)
    extent = sharp.shape[-ndim:]
    blur = Blur(weights, [m - n + 1 for m, n in zip(extent, kernel.shape, strict=True)])
    surplus = [d - n for d, n in zip(blur.domain, extent, strict=True)]
    scene = functional.pad(sharp, [m for s in reversed(surplus) for m in (0, s)])
    return blur.forward(scene)


def crop_valid(sharp: Tensor, kernel: Kernel) -> Tensor:
    """Crop a sharp image to the pixels that `blur_image(..., "valid")` keeps."""
    _check_fits(sharp, kernel)
    for axis, n in zip(range(-kernel.ndim, 0), kernel.shape, strict=True):
        sharp = sharp.narrow(axis, n - 1 - n // 2, sharp.shape[axis] - n + 1)
    return sharp


def add_gaussian_noise(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Add white Gaussian noise of standard deviation `sigma`, white = 1."""
    if sigma < 0:
        raise ImageError(f"the noise's standard deviation is not negative, got {sigma}.")
    noise = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
    return x + sigma * noise.to(x.device)


def add_poisson_noise(x: Tensor, photons: float, generator: torch.Generator) -> Tensor:
    """Replace each value by a Poisson count divided by `photons`, the mean count at white.

    Negative values are taken as 0. The variance of the result is `x / photons`.
    """
    if not photons > 0:
        raise ImageError(f"the photons at white are positive, got {photons}.")
    mean = (x.clamp_min(0) * photons).to(generator.device)
    return torch.poisson(mean, generator=generator).to(x.device) / photons


def saturate(
    sharp: Tensor,
    kernel: Kernel,
    generator: torch.Generator,
    *,
    gain: float = 1.2,
    noise: tuple[float, float] = (0.0, 0.01),
    boundary: Boundary = "valid",
) -> DegradedPair:
    """Blur an image with values above white, and clip the result.

    Parameters
    ----------
    sharp : (..., *spatial) float tensor
        White = 1.
    kernel : Kernel
        Point-spread function.
    generator : torch.Generator
        Source of the random numbers.
    gain : float
        Factor applied to the sharp image before it is blurred.
    noise : (low, high)
        Bounds of the standard deviation of Gaussian noise, which is drawn uniformly; white = 1.
    boundary : str
        Continuation beyond the border, see `blur_image`.

    Returns
    -------
    DegradedPair
        Both clipped to [0, 1].

    References
    ----------
    J. Dong, S. Roth, B. Schiele, "Learning spatially-variant MAP models for non-blind image
    deblurring", CVPR 2021, section 4.1.
    """
    bright = gain * sharp
    low, high = noise
    draw = torch.rand((), generator=generator, device=generator.device, dtype=torch.float64)
    sigma = low + (high - low) * float(draw)
    blurred = add_gaussian_noise(blur_image(bright, kernel, boundary), sigma, generator)
    clear = crop_valid(bright, kernel) if boundary == "valid" else bright
    return DegradedPair(blurred.clamp(0, 1), clear.clamp(0, 1))


def _check_fits(sharp: Tensor, kernel: Kernel) -> None:
    extent = sharp.shape[-kernel.ndim :]
    if sharp.ndim < kernel.ndim or any(m < n for m, n in zip(extent, kernel.shape, strict=True)):
        raise ImageError(
            f"an image to blur is at least as large as the kernel, got {tuple(sharp.shape)} "
            f"for a kernel of {kernel.shape}."
        )


def _extend(x: Tensor, axis: int, before: int, after: int, boundary: Boundary) -> Tensor:
    """Extend one axis of `x` beyond both ends."""
    extent = x.shape[axis]
    index = torch.arange(-before, extent + after, device=x.device)
    if boundary == "replicate":
        index = index.clamp(0, extent - 1)
    elif boundary == "periodic":
        index = index % extent
    else:
        period = max(2 * (extent - 1), 1)
        index = index % period
        index = torch.minimum(index, period - index)
    return x.index_select(axis, index)
