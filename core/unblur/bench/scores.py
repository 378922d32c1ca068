"""One result against its truth, and the mean over a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unblur.bench.pairs import Protocol
from unblur.errors import ImageError
from unblur.model.image import ALPHA, Image
from unblur.numerics.colour import to_luma
from unblur.numerics.metrics import levin_aligned, psnr, ssim

GOOD_RATIO = 2.0
"""Error ratio up to which a blind result counts as good."""


@dataclass(frozen=True)
class Score:
    """How one result compares with the truth.

    Attributes
    ----------
    psnr : float
        In decibels.
    ssim : float
        At most 1.
    error : float
        Sum of squared differences, white = 1.
    shift : tuple of float
        Rows and columns at which it was scored.
    """

    psnr: float
    ssim: float
    error: float
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Row:
    """What one pipeline made of one pair.

    Attributes
    ----------
    pair : str
        The pair's name.
    score : Score
        The result against the truth.
    seconds : float
        Of the deblurring alone, files not counted.
    ratio : float, optional
        Error ratio, where the kernel was estimated and the true one is known.
    similarity : float, optional
        Of the estimated kernel with the true one.
    peak_memory : int
        Highest memory of the process, or of the GPU, so far; bytes.
    """

    pair: str
    score: Score
    seconds: float
    ratio: float | None = None
    similarity: float | None = None
    peak_memory: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {"pair": self.pair, **asdict(self.score), **_but(self, "pair", "score")}


@dataclass(frozen=True)
class Mean:
    """The figures of a pipeline over a set; `None` where no row has one."""

    psnr: float
    ssim: float
    seconds: float
    peak_memory: int
    ratio: float | None
    good: int | None
    similarity: float | None

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Mean:
        """Return the means; `good` counts error ratios below 2."""
        ratios = [row.ratio for row in rows if row.ratio is not None]
        similar = [row.similarity for row in rows if row.similarity is not None]
        return cls(
            psnr=_mean([row.score.psnr for row in rows]),
            ssim=_mean([row.score.ssim for row in rows]),
            seconds=_mean([row.seconds for row in rows]),
            peak_memory=max(row.peak_memory for row in rows),
            ratio=_mean(ratios) if ratios else None,
            good=sum(ratio < GOOD_RATIO for ratio in ratios) if ratios else None,
            similarity=_mean(similar) if similar else None,
        )


def score(result: Image, truth: Image, protocol: Protocol) -> Score:
    """Compare a result with its truth; alpha is left out, and colour against grey is luma.

    Two float images are taken to be in one unit, whose white is the truth's.

    Raises
    ------
    ImageError
        If they differ in extent.
    """
    in_one_unit = result.dtype.kind == truth.dtype.kind == "f"
    a, b = plane(result, truth.white if in_one_unit else result.white), plane(truth, truth.white)
    if a.shape[0] != b.shape[0] and {a.shape[0], b.shape[0]} == {1, 3}:
        a, b = to_luma(a), to_luma(b)
    if a.shape != b.shape:
        raise ImageError(
            f"{result.source}: {tuple(a.shape)} pixels cannot be compared with the truth's "
            f"{tuple(b.shape)} in {truth.source}."
        )
    if protocol.align:
        aligned = levin_aligned(
            a, b, border=protocol.border, search=protocol.search, step=protocol.step
        )
        return Score(aligned.psnr, aligned.ssim, aligned.error, aligned.shift)
    inner: Any = (..., *(slice(protocol.border, n - protocol.border) for n in b.shape[-2:]))
    error = float((a[inner] - b[inner]).square().sum())
    return Score(psnr(a, b, protocol.border), ssim(a, b, protocol.border), error)


def plane(image: Image, white: float) -> Tensor:
    """Return an image as a float64 tensor (C, *spatial), `white` made 1, alpha left out."""
    values = np.asarray(image.data, np.float64) / white
    if "C" not in image.axes:
        values = values[None]
    elif image.axes[0] != "C":
        values = np.moveaxis(values, image.axes.index("C"), 0)
    if ALPHA in image.channels:
        values = np.delete(values, image.channels.index(ALPHA), axis=0)
    return torch.from_numpy(np.ascontiguousarray(values))


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if isfinite(value)]
    return sum(finite) / len(finite) if finite else inf


def _but(row: Row, *left_out: str) -> dict[str, Any]:
    names = [field.name for field in fields(row) if field.name not in left_out]
    return {name: getattr(row, name) for name in names}
