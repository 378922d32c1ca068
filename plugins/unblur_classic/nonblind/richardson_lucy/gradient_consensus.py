"""Gradient consensus: the scene pixels that two halves of the data change in the same sense."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from unblur.numerics.fourier import corner
from unblur.numerics.operators import Blur
from unblur.numerics.overlap_save import BlockFilter, Index


class GradientConsensus:
    """The pixels of a scene where the gradients of two halves of the data agree in sign.

    The image's pixels are divided like the fields of a chessboard, or into every second line. The
    noise of the halves is independent, so that gradients of noise agree by chance alone, while
    those of structure agree. The product of the two gradients, blurred by the kernel, is positive
    where they agree. The divisions alternate from step to step.

    Parameters
    ----------
    blur : Blur
        The operator.

    Notes
    -----
    A division into even and odd pixels is the same in a tile as in the whole image: where the
    tile begins at an odd pixel, the halves are interchanged, and their product stays as it is.
    White noise is assumed; noise that is correlated between neighbours agrees too often.

    References
    ----------
    J. Manton, A. York, gradient consensus, https://zenodo.org/records/10278919, 2023. There the
    photons of every pixel are divided at random, which requires the gain of the camera.
    """

    def __init__(self, blur: Blur) -> None:
        support = blur.kernel.shape
        self._divisions = divisions(blur.shape, support)
        self._filter = BlockFilter(blur.kernel, blur.domain)
        # A valid convolution begins with the sample that the last one of the kernel meets.
        self._start = [n - 1 - n // 2 for n in support]
        self._domain = blur.domain

    def half(self, step: int, like: Tensor) -> Tensor | None:
        """Return 1 at the pixels of the first half of a step, else 0, as large as `like`.

        `like` is (C, *spatial). None where the kernel is one pixel: nothing can be compared.
        """
        if not self._divisions:
            return None
        total = torch.zeros((), dtype=torch.int64, device=like.device)
        ndim = like.ndim - 1
        for axis in self._divisions[step % len(self._divisions)]:
            index = torch.arange(like.shape[1 + axis], device=like.device)
            total = total + index.reshape([-1] + [1] * (ndim - 1 - axis))
        return (total % 2 == 0).to(like.dtype)

    def agreed_change(
        self, adjoint: BlockFilter, quotient: Tensor, half: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the back-projected quotient, 0 where the halves disagree, and where they agree.

        Parameters
        ----------
        adjoint : BlockFilter
            The back projection.
        quotient : (C, *extent)
            Quotient of image and prediction minus 1, at least `adjoint.needed` large.
        half : (*extent)
            1 at the pixels of the first half, see `half`.

        Returns
        -------
        (C, *covered)
            The change; beyond the scene as it is.
        (C, *domain), boolean
        """
        total, first, product = (
            quotient.new_empty((len(quotient), *adjoint.covered)) for _ in range(3)
        )
        total_tiles, first_tiles, product_tiles = map(adjoint.tiles, (total, first, product))
        adjoint.for_each(quotient * half, first_tiles.__setitem__)

        # The second half's is the whole's minus the first half's.
        def multiply(index: Index, change: Tensor) -> None:
            total_tiles[index] = change
            part = first_tiles[index]
            torch.mul(part, change.sub_(part), out=product_tiles[index])

        adjoint.for_each(quotient, multiply)
        agrees = self.agreement(product[corner(self._domain)])
        total[corner(self._domain)].mul_(agrees)
        return total, agrees

    def agreement(self, product: Tensor) -> Tensor:
        """Return whether the gradients agree, boolean, from their product, (C, *domain) each."""
        padded = product.new_zeros((len(product), *self._filter.needed))
        window = (..., *(slice(s, s + n) for s, n in zip(self._start, self._domain, strict=True)))
        padded[window] = product
        agrees = product.new_zeros((len(product), *self._filter.covered), dtype=torch.bool)
        tiles = self._filter.tiles(agrees)

        def compare(index: Index, average: Tensor) -> None:
            tiles[index] = average > 0

        self._filter.for_each(padded, compare)
        return agrees[corner(self._domain)]


def divisions(shape: Sequence[int], support: Sequence[int]) -> list[tuple[int, ...]]:
    """Return sets of axes, the sum of whose indices is even in one half of the pixels.

    An axis along which the image or the kernel has one pixel is left out: a scene pixel would
    affect one half alone.

    Examples
    --------
    >>> divisions((64, 64), (5, 5)), divisions((64, 64), (1, 5))
    ([(0, 1), (0,), (1,)], [(1,)])
    """
    axes = [a for a, (n, k) in enumerate(zip(shape, support, strict=True)) if n > 1 and k > 1]
    return [
        chosen
        for count in range(len(axes), 0, -1)
        for chosen in itertools.combinations(axes, count)
    ]
