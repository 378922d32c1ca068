"""Scores of a result against its truth, and means over a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.bench.pairs import Protocol
from unblur.errors import ImageError
from unblur.model.image import ALPHA, Image
from unblur.numerics.colour import to_luma
from unblur.numerics.metrics import levin_aligned, psnr, split_resolution, ssim

GOOD_RATIO = 2.0
"""Error ratio below which a blind result counts as good (Levin et al. 2009), dimensionless."""


@dataclass(frozen=True)
class Score:
    """The scores of one result against the truth.

    Attributes
    ----------
    psnr : float
        Peak signal-to-noise ratio, in decibels.
    ssim : float
        Structural similarity, at most 1.
    error : float
        Sum of squared differences, white = 1.
    shift : tuple of float
        Shift of the result at which it was scored, rows and columns in pixels.
    """

    psnr: float
    ssim: float
    error: float
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Row:
    """The result of one pipeline on one pair.

    Attributes
    ----------
    pair : str
        The pair's name.
    score : Score
        The result against the truth.
    seconds : float
        Time of the deblurring without reading and writing files.
    ratio : float, optional
        Error ratio, where the kernel was estimated and the true one is known.
    similarity : float, optional
        Similarity of the estimated kernel to the true one.
    peak_memory : int
        Peak memory of the process, or of the GPU, in bytes.
    resolution : (float, float), optional
        Resolution before and after in pixels, by Fourier ring correlation of split noise, where it
        was measured; 2 where it is that of the pixels, infinite where nothing exceeds the noise.
    """

    pair: str
    score: Score
    seconds: float
    ratio: float | None = None
    similarity: float | None = None
    peak_memory: int = 0
    resolution: tuple[float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {"pair": self.pair, **asdict(self.score), **_fields_without(self, "pair", "score")}


@dataclass(frozen=True)
class Mean:
    """Mean scores of a pipeline over a set; `None` if no row has the score."""

    psnr: float
    ssim: float
    seconds: float
    peak_memory: int
    ratio: float | None
    good: int | None
    similarity: float | None
    resolution: tuple[float, float] | None = None

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Mean:
        """Return the means; `good` counts error ratios below 2."""
        ratios = [row.ratio for row in rows if row.ratio is not None]
        measured = [row.resolution for row in rows if row.resolution is not None]
        similar = [row.similarity for row in rows if row.similarity is not None]
        return cls(
            psnr=_mean([row.score.psnr for row in rows]),
            ssim=_mean([row.score.ssim for row in rows]),
            seconds=_mean([row.seconds for row in rows]),
            peak_memory=max(row.peak_memory for row in rows),
            ratio=_mean(ratios) if ratios else None,
            good=sum(ratio < GOOD_RATIO for ratio in ratios) if ratios else None,
            similarity=_mean(similar) if similar else None,
            resolution=(_mean([m[0] for m in measured]), _mean([m[1] for m in measured]))
            if measured
            else None,
        )


def score(result: Image, truth: Image, protocol: Protocol) -> Score:
    """Compare a result with its truth, without alpha; colour against grey is compared as luma.

    Two float images are assumed to have the same unit, with the white of the truth.

    Raises
    ------
    ImageError
        If their extents differ.
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
    """Return an image divided by `white`, without alpha, as a float64 tensor (C, *spatial)."""
    values = np.asarray(image.data, np.float64) / white
    if "C" not in image.axes:
        values = values[None]
    elif image.axes[0] != "C":
        values = np.moveaxis(values, image.axes.index("C"), 0)
    if ALPHA in image.channels:
        values = np.delete(values, image.channels.index(ALPHA), axis=0)
    return torch.from_numpy(np.ascontiguousarray(values))


def resolution_of(blurred: Image, restore: Callable[[Image], Image]) -> tuple[float, float]:
    """Return the resolution before and after in pixels, of the first colour; see `Row`.

    The noise of the image is split, and both halves are restored.
    """
    values = plane(blurred, 1.0)[0].numpy()

    def restored(half: NDArray[np.float64]) -> NDArray[np.float64]:
        image = Image(half.astype(np.float32), "ZYX"[-half.ndim :], white=blurred.white)
        return np.asarray(restore(image).data, np.float64)

    curves = split_resolution(values, restored)
    found = [curve.resolution() for curve in (curves.before, curves.after or curves.before)]
    before, after = (2.0 if each is None else each for each in found)
    return before, after


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if isfinite(value)]
    return sum(finite) / len(finite) if finite else inf


def _fields_without(row: Row, *excluded: str) -> dict[str, Any]:
    names = [field.name for field in fields(row) if field.name not in excluded]
    return {name: getattr(row, name) for name in names}
