"""The rules for the samples of a kernel, and notes on those that do not quite keep them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import KernelError

ROUNDING = 1e-6
"""Largest deviation of the sum of float32 weights from 1 that rounding explains, dimensionless."""

NEGLIGIBLE = 1e-3
"""Largest magnitude of negative samples that are set to 0, as a fraction of the peak,
dimensionless. Larger ones are an error."""

EXPECTED_SUM = (0.95, 1.05)
"""Range of the sum of a float PSF of which nothing is said, dimensionless. A PSF of 1 that was cut
off lies within."""


def checked_weights(samples: NDArray[Any]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return samples as weights that sum to 1, and notes on what was changed.

    Parameters
    ----------
    samples : (H, W) or (Z, H, W)
        Of any real type and scale.

    Raises
    ------
    KernelError
        Unless they are finite with a positive sum, and non-negative within `NEGLIGIBLE`.
    """
    if samples.ndim not in (2, 3) or samples.size == 0:
        raise KernelError(f"a kernel has 2 or 3 axes and at least one sample, got {samples.shape}.")
    if samples.dtype.kind not in "buif":
        raise KernelError(f"a kernel holds real numbers, got dtype {samples.dtype}.")
    values = samples.astype(np.float64)
    if not np.isfinite(values).all():
        raise KernelError(
            "the kernel holds NaN or infinite values; "
            "`unblur psf check FILE --repair OUT` sets them to 0."
        )
    total, lowest = float(values.sum()), float(values.min())
    if total <= 0:
        what = "all zeros" if not values.any() else f"of sum {total:.3g}"
        raise KernelError(f"a kernel has a positive sum, but this one is {what}.")
    if lowest < -NEGLIGIBLE * float(values.max()):
        raise KernelError(
            f"a kernel is non-negative, but the smallest value is {lowest:.3g}; "
            "`unblur psf check FILE --repair OUT` subtracts the background and clips."
        )
    notes: tuple[str, ...] = ()
    if lowest < 0:
        share, count = -lowest / float(values.max()), int((values < 0).sum())
        notes = (
            f"{count} sample{' is' if count == 1 else 's are'} negative, down to -{share:.1e} "
            "of the peak; set to 0.",
        )
        values = np.maximum(values, 0)
        total = float(values.sum())
    # A stored kernel is read back bit for bit: its sum differs from 1 by rounding only.
    weights = values if abs(total - 1) < ROUNDING else values / total
    return weights.astype(np.float32), notes


def notes_on_sum(samples: NDArray[Any]) -> tuple[str, ...]:
    """Return a note if a float PSF, which is expected to sum to about 1, does not."""
    if samples.dtype.kind != "f":
        return ()
    total = float(samples.sum(dtype=np.float64))
    if total <= 0 or EXPECTED_SUM[0] <= total <= EXPECTED_SUM[1]:
        return ()
    return (f"its samples sum to {total:.4g}, not 1; they were divided by it.",)
