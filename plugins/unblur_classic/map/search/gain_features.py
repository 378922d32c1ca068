"""Features of a restored image, on cells of 8 x 8 pixels, from which its error is predicted.

They are energies of derivatives at three scales of the blurred and the restored image, of their
difference, of the residual, and of what weaker regularisation adds; how sparse they are; the
correlation of the gradients of two of these images; overshoot; and measures of the kernel's shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from unblur_classic.map.search.search_track import SUPPORT_THRESHOLD, support_extent

CELL = 8
"""Extent of a cell, in pixels."""
SCALES = (1, 2, 4)
"""Factors by which images are shrunk before their derivatives are taken, dimensionless."""
NSR = (4.0, 0.5)
"""Ratios of noise to signal of the two Wiener filters, in squared standard deviations of the noise,
dimensionless."""
MIN_NOISE, MAX_RESIDUAL = 0.01, 8.0
"""Least standard deviation of the noise that the residual is divided by, contrast = 1, and the
largest residual after it, dimensionless."""
OVERSHOOT_WINDOW = 7
"""Extent of the window whose range a restored pixel may exceed, in pixels."""


def feature_maps(
    image: Tensor, noise: float, kernel: Tensor, sharp: Tensor, residual: Tensor
) -> Tensor:
    """Return features (n, h / 8, w / 8) of an image that a kernel restores.

    Parameters
    ----------
    image, sharp, residual : (h, w)
        The blurred image, of contrast 1, the restored one, and what it leaves unexplained.
    noise : float
        Standard deviation of the noise in `image`.
    kernel : (m, m)
        Non-negative, of sum 1.
    """
    least = max(noise, MIN_NOISE)
    strong, weak = (_wiener(image, kernel, factor * least**2) for factor in NSR)
    scaled = (residual / least).clamp(-MAX_RESIDUAL, MAX_RESIDUAL)
    images = torch.stack([image, sharp, sharp - image, scaled, strong - sharp, weak - strong])
    blurred, restored, left, filtered = (_gradients(x) for x in (image, sharp, scaled, strong))
    pairs = ((blurred, restored), (restored, left), (restored, filtered), (blurred, left))
    maps = [
        _energies(images),
        (mean_of_cells(images.square()) + 1e-5).log(),
        *(_correlation(a, b) for a, b in pairs),
        *(_autocorrelation(scaled, lag) for lag in SCALES),
        _overshoot(image, sharp),
    ]
    local = torch.cat(maps)
    shape = torch.tensor([math.log(max(noise, 1e-3)), *_shape_of(kernel)])
    return torch.cat([local, shape[:, None, None].expand(-1, *local.shape[1:])])


def mean_of_cells(x: Tensor, cell: int = CELL) -> Tensor:
    """Return the means (n, h / cell, w / cell) of the cells of (n, h, w); the rest is cut."""
    rows, columns = (n // cell * cell for n in x.shape[-2:])
    return functional.avg_pool2d(x[None, :, :rows, :columns], cell)[0]


def _energies(images: Tensor) -> Tensor:
    """Return energy, sparsity and roughness of the derivatives of (n, h, w), at each scale."""
    maps, x = [], images
    for scale in SCALES:
        size = CELL // scale
        squares = _gradients(x).square().sum(0)
        inner = x[:, 1:-1, 2:] + x[:, 1:-1, :-2] + x[:, 2:, 1:-1] + x[:, :-2, 1:-1]
        laplacian = functional.pad(inner - 4 * x[:, 1:-1, 1:-1], (1, 1, 1, 1))
        energy = (mean_of_cells(squares, size) + 1e-5).log()
        absolute = (mean_of_cells((squares + 1e-8).sqrt(), size) + 1e-4).log()
        rough = (mean_of_cells(laplacian.square(), size) + 1e-5).log()
        maps += [energy, 2 * absolute - energy, rough - energy]
        x = functional.avg_pool2d(x[None], 2)[0]
    return torch.cat(maps)


def _gradients(x: Tensor) -> Tensor:
    """Return the derivatives (2, ..., h, w) of (..., h, w), 0 at the last row and column."""
    across = functional.pad(x.diff(dim=-1), (0, 1))
    return torch.stack([across, functional.pad(x.diff(dim=-2), (0, 0, 0, 1))])


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return the correlation (1, h / 8, w / 8) of gradients (2, h, w) in each cell."""
    both, *each = (mean_of_cells((p * q).sum(0)[None]) for p, q in ((a, b), (a, a), (b, b)))
    return both / (each[0] * each[1] + 1e-8).sqrt()


def _autocorrelation(x: Tensor, lag: int) -> Tensor:
    moved = torch.roll(x, lag, -1) + torch.roll(x, lag, -2)
    return mean_of_cells((x * moved)[None]) / (2 * mean_of_cells(x.square()[None]) + 1e-6)


def _overshoot(image: Tensor, sharp: Tensor) -> Tensor:
    """Return by how much a restored image exceeds the range of the blurred one around a pixel."""
    size = OVERSHOOT_WINDOW
    high, low = (s * functional.max_pool2d(s * image[None], size, 1, size // 2) for s in (1, -1))
    over = (sharp - high).clamp_min(0) + (low - sharp).clamp_min(0)
    return (mean_of_cells(over.square()) + 1e-5).log()


def _wiener(image: Tensor, kernel: Tensor, nsr: float) -> Tensor:
    """Return an image restored by a Wiener filter with a penalty on its gradients."""
    size = kernel.shape[-1]
    padded = functional.pad(image[None, None], [size] * 4, mode="reflect")[0, 0]
    placed = torch.zeros_like(padded)
    placed[:size, :size] = kernel
    response = torch.fft.rfft2(torch.roll(placed, (-(size // 2),) * 2, (0, 1)))
    down = torch.fft.fftfreq(padded.shape[0])[:, None]
    across = torch.fft.rfftfreq(padded.shape[1])[None]
    penalty = 4 - 2 * torch.cos(2 * math.pi * down) - 2 * torch.cos(2 * math.pi * across)
    filtered = torch.fft.rfft2(padded) * response.conj()
    filtered = filtered / (response.abs().square() + nsr * penalty + 1e-5)
    restored: Tensor = torch.fft.irfft2(filtered, s=padded.shape)
    return restored[size:-size, size:-size]


def _shape_of(kernel: Tensor) -> list[float]:
    """Return radius, entropy, peak, area, roughness and extent of a kernel, most as logarithms."""
    places = torch.arange(kernel.shape[-1]).float()
    variance = 0.0
    for weights in (kernel.sum(1), kernel.sum(0)):
        variance += float((weights * (places - (weights * places).sum()).square()).sum())
    extent = support_extent(kernel)
    area = float((kernel > SUPPORT_THRESHOLD * kernel.max()).sum())
    steps = sum(float(kernel.diff(dim=axis).square().sum()) for axis in (0, 1))
    return [
        math.log(variance**0.5 + 0.3),
        float(-(kernel * (kernel + 1e-12).log()).sum()),
        math.log(float(kernel.max())),
        math.log(area / extent),
        steps / float(kernel.square().sum()),
        math.log(extent),
    ]
