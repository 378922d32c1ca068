"""Removal of ringing at frequencies that the blurred image does not determine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.fourier import apply_otf, fast_length, inverse_fft, psf_to_otf
from unblur.numerics.inverse_filters import radius_of
from unblur.numerics.operators import extend_periodic
from unblur_classic.nonblind.regularization import measure_contrast
from unblur_classic.postprocess.dct_blocks import pad_reflect, trim

HALF_WINDOW = 3
"""Half-width of the window for the local deviation of the blurred image, in pixels."""

FLAT = 0.05
"""Local standard deviation below which the blurred image counts as flat, as a fraction of the
contrast."""


class Dering(stages.Postprocessor):
    """Smooth ringing and halos; keep edges and the structure that the blurred image shows.

    Ringing consists of frequencies that the blur has nearly removed, since at the others the data
    would contradict it. Only there the image is replaced by an edge-preserving smoothed version
    of itself::

        x' = s + A (x - s),   A = |K|^2 / (|K|^2 + min_power),   s = bilateral(x)

    It assumes that the kernel is exact and that the amplitude of the ringing is smaller than the
    edges around it: `strength` is the height, relative to the image's contrast, up to which
    structure is smoothed. Structure that a wrong kernel has misplaced is not restored.

    Without a kernel, flat parts of the blurred image are replaced by the smoothed version.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Dering.Params`.

    Examples
    --------
    >>> step = (torch.arange(64) >= 32).float().expand(1, 64, 64)
    >>> ripple = 0.03 * torch.cos(torch.pi * torch.arange(64.0))
    >>> kernel = Kernel(torch.ones(1, 2))  # removes the highest frequency
    >>> better = Dering().process(step + ripple, step, kernel, Context())
    >>> bool((better - step).abs().mean() < 0.3 * ripple.abs().mean())
    True

    References
    ----------
    The bilateral filter: C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color
    images", ICCV 1998. The blurred image as a guide against ringing: Q. Shan, J. Jia,
    A. Agarwala, "High-quality motion deblurring from a single image", ACM TOG 27(3), 2008.
    """

    name = "dering"
    summary = "Suppress ringing and halos at frequencies that the blurred image does not determine."
    cites = "Q. Shan, J. Jia, A. Agarwala, High-quality motion deblurring, ACM TOG 2008"
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of the filter."""

        strength: float = Field(
            0.35,
            gt=0,
            le=10,
            description="Amplitude of the ringing relative to the image's contrast; structure "
            "below it is smoothed, edges above it are kept.",
        )
        min_power: float = Field(
            0.01,
            gt=0,
            le=1,
            description="Squared transfer function of the kernel below which the image is mostly "
            "replaced by the smoothed one.",
        )

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the image with less ringing; see `Postprocessor`."""
        spread = measure_contrast(blurred, context).reshape([-1] + [1] * (image.ndim - 1))
        if not bool((spread > 0).any()):
            return image
        height = (self.params.strength * spread).clamp_min(1e-6)
        smooth = bilateral(image, height, context)
        if kernel is None:
            flat = 1 / (1 + (_deviation(blurred) / (FLAT * spread).clamp_min(1e-6)) ** 2)
            return image + flat * (smooth - image)
        return smooth + self._determined(image - smooth, kernel)

    def halo(self, kernel: Kernel | None) -> tuple[int, ...]:
        """Return the radius of the smoothing plus that of the filter `A`."""
        if kernel is None:
            return (_radius(2) + HALF_WINDOW,) * 2
        grid = [max(256 if kernel.ndim == 2 else 64, 2 * n) for n in kernel.shape]
        response = inverse_fft(self._gain(kernel, kernel.tensor(), grid), grid)
        return tuple(_radius(kernel.ndim) + r for r in radius_of(response, 0.01))

    def _gain(self, kernel: Kernel, like: Tensor, shape: list[int]) -> Tensor:
        power = psf_to_otf(kernel.tensor(dtype=like.dtype, device=like.device), shape).abs() ** 2
        gain: Tensor = power / (power + self.params.min_power)
        return gain

    def _determined(self, detail: Tensor, kernel: Kernel) -> Tensor:
        """Return the part of `detail` at frequencies that the kernel transmits."""
        ndim = detail.ndim - 1
        extent = detail.shape[1:]
        domain = [fast_length(n + k - 1) for n, k in zip(extent, kernel.shape, strict=True)]
        before = [k // 2 for k in kernel.shape]
        scene = extend_periodic(detail, domain, before)
        kept = apply_otf(scene, self._gain(kernel, detail, domain), ndim)
        for axis, (start, n) in enumerate(zip(before, extent, strict=True), start=1):
            kept = kept.narrow(axis, start, n)
        return kept


def bilateral(x: Tensor, height: Tensor, context: Context) -> Tensor:
    """Return the bilateral filter of (C, *n), range deviation `height` (C, 1, ...).

    The spatial Gaussian has a standard deviation of half the radius: 2 pixels in 2-D, 1 in 3-D.
    """
    ndim = x.ndim - 1
    radius = _radius(ndim)
    padded = pad_reflect(x, radius)
    total, norm = padded.clone(), torch.ones_like(padded)
    for offset in _half_ball(ndim, radius):
        context.checkpoint()
        here, there = _offset_views(padded, offset)
        weight = torch.exp(
            -2 * sum(o * o for o in offset) / x.new_tensor(radius**2)
            - 0.5 * ((here - there) / height) ** 2
        )
        weighted_there, weighted_here = weight * there, weight * here
        for sums, one, other in ((total, weighted_there, weighted_here), (norm, weight, weight)):
            into_here, into_there = _offset_views(sums, offset)
            into_here += one
            into_there += other
    return trim(total / norm, radius)


def _radius(ndim: int) -> int:
    return 4 if ndim == 2 else 2


def _half_ball(ndim: int, radius: int) -> Iterator[tuple[int, ...]]:
    """Yield one of each pair of opposite offsets within the radius."""
    for offset in product(range(-radius, radius + 1), repeat=ndim):
        if offset > (0,) * ndim and sum(o * o for o in offset) <= radius**2:
            yield offset


def _offset_views(x: Tensor, offset: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return two views of `x` whose samples lie `offset` apart."""
    here = [slice(max(-o, 0), n - max(o, 0)) for o, n in zip(offset, x.shape[1:], strict=True)]
    there = [slice(max(o, 0), n - max(-o, 0)) for o, n in zip(offset, x.shape[1:], strict=True)]
    return x[(slice(None), *here)], x[(slice(None), *there)]


def _deviation(x: Tensor) -> Tensor:
    """Return the standard deviation in the window around each pixel."""
    mean, square = _box_mean(x), _box_mean(x * x)
    return (square - mean * mean).clamp_min(0).sqrt()


def _box_mean(x: Tensor) -> Tensor:
    size = 2 * HALF_WINDOW + 1
    x = pad_reflect(x, HALF_WINDOW)
    for axis in range(1, x.ndim):
        x = x.unfold(axis, size, 1).mean(-1)
    return x
