"""Point-spread functions as they are given in Python, as a `KernelField`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import KernelError
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField


def as_field(psf: Any) -> KernelField | None:
    """Return a kernel, kernel field, image of a PSF, array, or one for each channel, as a field."""
    if psf is None or isinstance(psf, KernelField):
        return psf
    if isinstance(psf, Kernel):
        return KernelField.single(psf)
    if isinstance(psf, Mapping):
        return _channel_fields(psf)
    if isinstance(psf, str | Path):
        raise KernelError(f"psf is an array or a Kernel, got a path; unblur.read_kernel({psf!r}).")
    if isinstance(psf, Image):
        values = np.asarray(psf.data)
        while values.ndim > 2 and values.shape[0] == 1:
            values = values[0]
        kernel = Kernel.from_samples(values, psf.pixel_size, psf.units)
        return KernelField.single(kernel, source=psf.source)
    return KernelField.single(Kernel.from_samples(np.asarray(psf)))


def _channel_fields(psfs: Mapping[Any, Any]) -> KernelField:
    """Return the kernels of channels, given by their numbers."""
    if sorted(psfs) != list(range(len(psfs))) or not psfs:
        raise KernelError(
            f"PSFs of channels are numbered from 0 without gaps, got {sorted(psfs)}; give one for "
            "each channel."
        )
    fields = [as_field(psfs[number]) for number in range(len(psfs))]
    return KernelField.of_channels([field for field in fields if field is not None])
