"""The pixels beyond the border of an image, those of least cost, solved for without iterations.

On a periodic grid the pixels that the camera did not observe form a band of rows and a band of
columns. The minimum of a cost that is diagonal in Fourier space over one of the bands is a Toeplitz
system for each frequency along the band, of the band's width, which is solved directly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 1e-6
"""Part of the diagonal that is added to it, so that rounding leaves the systems positive definite,
dimensionless."""
MAX_RIDGES = 6
"""Largest number of times that the added part is enlarged tenfold; where a system is singular even
then, as for a weight near the smallest number, the smooth extension stays. Dimensionless."""
MAX_BAND_CUBE = 4000
"""Largest cube of a band's width that is solved directly, for each pixel along the band; beyond it
conjugate gradients take less time. In square pixels."""
TOLERANCE = 0.01
"""Gradient of the objective at the unobserved rows, relative to that of the smooth extension, at
which the sweeps end, dimensionless."""
ROUNDING = 32
"""Gradient at the unobserved rows that is rounding alone, relative to that of the whole grid, in
units of the last place. The systems enlarge it a thousand times: no sweep follows."""
BLOCK_VALUES = 2**19
"""Size of the matrices that are factorised together, in numbers."""
KEPT_VALUES = 2**21
"""Largest size of the factors of a band that are kept between images, in numbers."""
LEAN_VALUES = 2**17
"""Size of both where memory is scarce, in numbers: matrices of 2 MB."""


def waves(sign: int, size: int, a: Tensor, b: Tensor, like: Tensor) -> Tensor:
    """Return `exp(sign 2 pi i a b / size)` for all pairs, (len(a), len(b))."""
    angle = (a[:, None] * b[None, :]) % size * (2 * math.pi / size)
    wave = torch.polar(torch.ones_like(angle, dtype=torch.float64), sign * angle.double())
    return wave.to(device=like.device, dtype=torch.promote_types(like.dtype, torch.complex64))


def _gap(size: int, extent: int, before: int) -> Tensor:
    """Return the cyclic positions of a band: `extent` pixels are observed after `before`."""
    return (torch.arange(size - extent) + before + extent) % size


def is_direct(grid: Sequence[int], shape: Sequence[int]) -> bool:
    """Return whether the border of an image on a grid is solved for faster by its bands."""
    return len(shape) == 2 and all(
        (size - extent) ** 3 <= MAX_BAND_CUBE * along
        for size, extent, along in zip(grid, shape, shape[::-1], strict=True)
    )


@dataclass
class _Band:
    """One band of unknown pixels: its Toeplitz systems, one for each frequency along it.

    Attributes
    ----------
    lags : (N, 2 g - 1) complex
        Values of the Toeplitz matrices of N frequencies: lags 0 to g - 1, then -g + 1 to -1.
    block_values, kept_values : int
        Size of the matrices that are factorised together, and largest size of factors that are
        kept, in numbers.
    factors : list of (n, g, g) complex
        Cholesky factors of blocks of the matrices, if they are kept.
    """

    lags: Tensor
    block_values: int
    kept_values: int
    factors: list[Tensor] | None = None

    def solve(self, right: Tensor) -> Tensor:
        """Return the solution (N, g) of the systems for right-hand sides (N, g)."""
        width = right.shape[1]
        if width == 0:
            return right
        block = max(1, self.block_values // width**2)
        starts = range(0, len(right), block)
        if self.factors is not None:
            factors = iter(self.factors)
        else:
            factors = (self._factorise(self.lags[n : n + block], width) for n in starts)
            if len(right) * width**2 <= self.kept_values:
                self.factors = list(factors)
                factors = iter(self.factors)
        wide = right.to(torch.complex128)[..., None]
        solved = [
            torch.cholesky_solve(wide[n : n + block], factor)
            for n, factor in zip(starts, factors, strict=True)
        ]
        return torch.cat(solved)[..., 0].to(right.dtype)

    @staticmethod
    def _factorise(lags: Tensor, width: int) -> Tensor:
        index = torch.arange(width, device=lags.device)
        matrices = lags.to(torch.complex128)[:, (index[:, None] - index) % (2 * width - 1)]
        ridge = RIDGE * lags[:, 0].real.double()
        diagonal = matrices.diagonal(dim1=-2, dim2=-1)
        factor: Tensor = torch.eye(width, dtype=matrices.dtype, device=lags.device)
        for _ in range(MAX_RIDGES):
            diagonal += ridge[:, None]
            found, failed = torch.linalg.cholesky_ex(matrices)
            if not bool(failed.any()):
                factor = found
                break
            ridge = 10 * ridge
        return factor.expand(matrices.shape)


class BorderBands:
    """The unobserved border of images of one extent, on one periodic grid, for one cost.

    Parameters
    ----------
    cost : (H, W // 2 + 1)
        `<u, cost u>` is what is minimised over the unobserved pixels of a blurred scene `u`; real
        and not negative.
    grid : (int, int)
        Extent (H, W) of the grid.
    shape : (int, int)
        Extent of the images.
    before : (int, int)
        Row and column of an image's first pixel on the grid.
    cut_axes : (bool, bool)
        Axes along which the scene beyond the image is not solved for, since the image is a tile
        whose outermost pixels are discarded.
    is_lean : bool
        Whether memory is scarce: fewer matrices are factorised at a time, and none are kept.

    Notes
    -----
    Over the rows that were not observed the cost is smallest where `cost u` vanishes on them. A
    transform along the rows makes of that one Toeplitz system for each frequency, whose matrix is
    the inverse transform of the cost along the columns. The two bands, which share the corners, are
    solved in turn (multiplicative Schwarz).
    """

    def __init__(
        self,
        cost: Tensor,
        grid: Sequence[int],
        shape: Sequence[int],
        before: Sequence[int],
        cut_axes: Sequence[bool] = (False, False),
        is_lean: bool = False,
    ) -> None:
        self.cost, self.grid = cost, tuple(grid)
        self._sizes = (LEAN_VALUES,) * 2 if is_lean else (BLOCK_VALUES, KEPT_VALUES)
        self.max_sweeps = None if not any(cut_axes) else 0 if all(cut_axes) else 1
        height, width = self.grid
        rows, columns = torch.arange(height), torch.arange(width // 2 + 1)
        # Of a real image the frequencies -f are the conjugates of f: half of them are kept.
        self.doubled = cost.new_ones(width // 2 + 1)
        self.doubled[0] = 0.5
        if width % 2 == 0:
            self.doubled[-1] = 0.5
        gaps = [_gap(*sizes) for sizes in zip(self.grid, shape, before, strict=True)]
        # The band of an axis that is not solved for has no rows (columns).
        solved = [gap[: 0 if is_cut else None] for gap, is_cut in zip(gaps, cut_axes, strict=True)]
        self.down = waves(1, height, solved[0], rows, cost)
        self.across = waves(1, width, columns, solved[1], cost)
        self.bands = self._bands(rows, columns)

    def _bands(self, rows: Tensor, columns: Tensor) -> tuple[_Band, _Band]:
        height, width = self.grid
        down = waves(1, height, torch.arange(len(self.down)), rows, self.down)
        lags = torch.complex(down.real.contiguous() @ self.cost, down.imag.contiguous() @ self.cost)
        first = (lags / height).T
        across = waves(1, width, columns, torch.arange(self.across.shape[1]), self.across)
        across = across * self.doubled[:, None]
        half = torch.complex(
            self.cost @ across.real.contiguous(), self.cost @ across.imag.contiguous()
        )
        second = self._folded(half) / width
        return _Band(_both_signs(first), *self._sizes), _Band(_both_signs(second), *self._sizes)

    def _folded(self, half: Tensor) -> Tensor:
        """Add the sums over negative frequencies to those over the others, (H, g) to (H/2+1, g)."""
        count = len(half) // 2 + 1
        return half[:count] + torch.cat([half[:1], half.flip(0)[: count - 1]]).conj()

    def complete(self, spectrum: Tensor, sweeps: int) -> None:
        """Solve for the unobserved pixels of a blurred scene, given and returned as its spectrum.

        Parameters
        ----------
        spectrum : (H, W // 2 + 1) complex
            Of a blurred scene whose unobserved pixels have first values; changed in place.
        sweeps : int
            Largest number of times that both bands are solved for. A single one is solved for once.
        """
        sweeps = sweeps if self.max_sweeps is None else min(sweeps, self.max_sweeps)
        rounding = ROUNDING * torch.finfo(self.cost.dtype).eps
        if not len(self.down):
            product = spectrum * self.cost
            gradient = self._column_gradient(product)
            if sweeps and _norm(gradient) > rounding * _norm(product):
                self._solve_columns(spectrum, gradient)
            return
        limit, step = 0.0, None
        for number in range(sweeps):
            product = spectrum * self.cost
            gradient = self.down @ product
            size = _norm(gradient)
            if number == 0:
                limit = rounding * _norm(product)
            if not size > limit:  # NaN too
                break
            if number == 0:
                limit = max(limit, TOLERANCE * size)
                self._solve_bands(spectrum, gradient)
            else:
                step = self._best_step(spectrum, gradient, step)
                spectrum += step

    def _best_step(self, spectrum: Tensor, gradient: Tensor, before: Tensor | None) -> Tensor:
        """Return the best combination of the step of a sweep and the step before that.

        It minimises the objective, as each step of conjugate gradients does.
        """
        solved = spectrum.clone()
        self._solve_bands(solved, gradient)
        steps = [solved.sub_(spectrum), *([] if before is None else [before])]
        costs = [step * self.cost for step in steps]
        matrix = torch.stack([self._inner(costs, step) for step in steps]).cpu()
        ridge = RIDGE * matrix.diagonal().diag_embed()
        factors = torch.linalg.lstsq(matrix + ridge, -self._inner(costs, spectrum).cpu()[:, None])
        best = steps[0].mul_(float(factors.solution[0]))
        return best if before is None else best.add_(before, alpha=float(factors.solution[1]))

    def _inner(self, costs: list[Tensor], other: Tensor) -> Tensor:
        """Return the inner products of images, by their spectra: (len(costs),) of float64."""
        found = []
        for cost in costs:
            product = cost.real * other.real + cost.imag * other.imag
            found.append((product.sum(0).double() * self.doubled.double()).sum())
        return torch.stack(found)

    def _solve_bands(self, spectrum: Tensor, gradient: Tensor) -> None:
        """Minimise over the unobserved rows, then over the unobserved columns, in place.

        `gradient` is the objective's at those rows, (g, W/2+1).
        """
        rows = self.bands[0].solve(gradient.T / -self.grid[0]).T.contiguous()
        spectrum.addmm_(self.down.mH, rows)
        if self.across.shape[1]:
            self._solve_columns(spectrum, self._column_gradient(spectrum * self.cost))

    def _column_gradient(self, product: Tensor) -> Tensor:
        """Return the objective's gradient at the unobserved columns, (H/2+1, g).

        `product` is that of the spectrum and the cost, (H, W/2+1).
        """
        return self._folded(product @ (self.across * self.doubled[:, None]))

    def _solve_columns(self, spectrum: Tensor, gradient: Tensor) -> None:
        """Minimise over the unobserved columns in place; `gradient` is the objective's there."""
        height, width = self.grid
        half = self.bands[1].solve(gradient / -width)
        columns = torch.cat([half, half[1 : height - len(half) + 1].flip(0).conj()])
        spectrum.addmm_(columns, self.across.mH)


def _norm(x: Tensor) -> float:
    # Of the real and imaginary parts, for which torch has vector instructions.
    return float(torch.linalg.vector_norm(torch.view_as_real(x)))


def _both_signs(lags: Tensor) -> Tensor:
    """Append the negative lags, the conjugates of the positive ones: (N, g) to (N, 2 g - 1)."""
    return torch.cat([lags, lags[:, 1:].flip(1).conj()], dim=1).resolve_conj()
