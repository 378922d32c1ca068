"""The share of a scene pixel's light that an image holds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from unblur.accel.huge_pages import zeros_in_huge_pages
from unblur.numerics.overlap_save import BlockFilter, Index


def inverse_sensitivity(
    kernel: Tensor, shape: Sequence[int], extent: Sequence[int], smallest: float
) -> Tensor:
    """Return `1 / K' 1` of a blur `K` without mask, 0 where `K' 1` is at most `smallest`.

    `K' 1` is the sum of the kernel's weights that fall inside the image. It is the kernel's sum
    everywhere but near the border, where it follows from cumulative sums of the kernel.

    Parameters
    ----------
    kernel : (*k)
        Kernel.
    shape : sequence of int
        Extent of the image.
    extent : sequence of int
        Extent of the result, at least that of the scene, `shape + k - 1`; 0 beyond it.
    smallest : float
        Fraction of the light inside the image below which the result is 0, dimensionless.

    Examples
    --------
    >>> inverse_sensitivity(torch.full((1, 4), 0.25), (1, 4), (1, 8), 0.3)
    tensor([[0.0000, 2.0000, 1.3333, 1.0000, 1.3333, 2.0000, 0.0000, 0.0000]])
    """
    table = kernel.double()
    sections = []
    for axis, (image, reach) in enumerate(zip(shape, kernel.shape, strict=True)):
        # Scene pixel s sees image pixels s - (reach - 1) + j for weights j in [first, last).
        positions, places = _distinct_positions(image, reach)
        first = (reach - 1 - positions).clamp_min(0).to(kernel.device)
        last = (image + reach - 1 - positions).clamp_max(reach).to(kernel.device)
        zero = torch.zeros_like(table.narrow(axis, 0, 1))
        sums = torch.cat([zero, table.cumsum(axis)], axis)
        table = sums.index_select(axis, last) - sums.index_select(axis, first)
        sections.append(places)
    inverse = torch.where(table > smallest, 1 / table, 0).to(kernel.dtype)
    result = zeros_in_huge_pages(kernel, extent)
    for section in itertools.product(*sections):
        into, source = zip(*section, strict=True)
        result[into] = inverse[source]
    return result


def inverse_masked_sensitivity(adjoint: BlockFilter, mask: Tensor, smallest: float) -> Tensor:
    """Return `1 / K' 1`, (1, *adjoint.covered), of a blur with pixels that are not valid.

    Parameters
    ----------
    adjoint : BlockFilter
        Correlation with the kernel.
    mask : (1, *adjoint.needed)
        1 where a pixel of the image is valid.
    smallest : float
        Fraction of the light inside the image below which the result is 0, dimensionless.
    """
    inverse = mask.new_zeros((1, *adjoint.covered))
    tiles = adjoint.tiles(inverse)

    def invert(index: Index, sensitivity: Tensor) -> None:
        tiles[index] = torch.where(sensitivity > smallest, 1 / sensitivity, 0)

    adjoint.for_each(mask, invert)
    return inverse


def _distinct_positions(image: int, reach: int) -> tuple[Tensor, list[tuple[slice, slice]]]:
    """Return positions with sums of their own, and pairs of ranges: along the axis, of these."""
    margin = reach - 1
    if image <= margin:
        whole = slice(0, image + margin)
        return torch.arange(image + margin), [(whole, whole)]
    end = image + margin
    positions = torch.cat([torch.arange(margin + 1), torch.arange(image, end)])
    places = [
        (slice(0, margin), slice(0, margin)),
        (slice(margin, image), slice(margin, margin + 1)),
        (slice(image, end), slice(margin + 1, None)),
    ]
    return positions, places
