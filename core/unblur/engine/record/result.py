"""What `deblur` hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unblur.engine.record.report import Report
from unblur.model.kernel import KernelField


@dataclass(frozen=True, eq=False)
class Result:
    """A deblurred image with the account of how it was made.

    Attributes
    ----------
    image : Image, numpy or dask array
        As the input was: an `Image` for an `Image`, an array for an array, lazy for lazy; of
        the input's shape, type and units.
    kernel : KernelField, optional
        The blur that was undone; a single kernel is the 1x1 field. `None` if there was none.
    report : Report
        Pipeline, params, seed, versions, times, warnings.
    latent : (C, *spatial) float32 array, optional
        The sharp image that the kernel step yields on the way, white = 1, where it does and
        the image has one block only.
    """

    image: Any
    kernel: KernelField | None
    report: Report
    latent: Any = None
