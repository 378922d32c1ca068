"""The kernels of an image, one for each channel, from params and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unblur.model.kernel import KernelField
from unblur.numerics.optics.microscope import microscope_kernel
from unblur.numerics.optics.optical_metadata import (
    OpticsOfChannel,
    StatedOptics,
    describe_optics,
    resolve_optics,
)
from unblur.numerics.optics.optical_params import OpticalParams

SOURCE = "of the optics"
"""Name of computed kernels in messages."""

COARSE = 1.25
"""Largest pixel size without a remark, as a multiple of `wavelength / (4 NA)`, dimensionless.

Nyquist's limit is 1; cameras are often chosen a little coarser.
"""


@dataclass(frozen=True, eq=False)
class OpticsKernels:
    """Kernels and the values that they were computed of.

    Attributes
    ----------
    field : KernelField
        One kernel, or one for each channel where the optics differ.
    sources : mapping of str to str
        Each value in words, and where it comes from.
    notes : tuple of str
        Remarks, one sentence each.
    """

    field: KernelField
    sources: Mapping[str, str]
    notes: tuple[str, ...]


def optics_kernels(
    params: OpticalParams,
    stated: StatedOptics,
    ndim: int | None = None,
    *,
    max_shape: tuple[int, ...] | None = None,
    option: str = "--set kernel.{name}={value}",
) -> OpticsKernels:
    """Return the kernels that the optics determine, and every value that they are computed of.

    Parameters
    ----------
    params : OpticalParams
        What the user states.
    stated : StatedOptics
        What the image states.
    ndim : int, optional
        Number of axes, 2 or 3; by default 3 where a distance between planes is stated.
    max_shape : tuple of int, optional
        Spatial extents of the image, which extents chosen by default do not exceed.
    option : str
        How the user states a value, for messages.

    Raises
    ------
    UsageError
        With every value that is missing, where it may be stated and how.
    """
    if ndim is None:
        is_deep = params.step_um is not None or "step_um" in stated.values
        ndim = 3 if is_deep and (max_shape is None or max_shape[0] > 1) else 2
    channels = resolve_optics(params, stated, ndim, option)
    limit = None if max_shape is None else max_shape[-ndim:]
    fields = [
        KernelField.single(
            microscope_kernel(
                optics.microscope,
                optics.pixel,
                optics.step,
                size=params.size,
                planes=params.planes,
                max_shape=limit,
                towards_coverslip=params.towards_coverslip,
            ),
            source=SOURCE,
            keeps_offset=True,  # best focus lies in the middle, the centre of mass need not
        )
        for optics in channels
    ]
    field = fields[0] if len(fields) == 1 else KernelField.of_channels(fields)
    return OpticsKernels(field, describe_optics(channels), sampling_notes(channels))


def sampling_notes(channels: tuple[OpticsOfChannel, ...]) -> tuple[str, ...]:
    """Return a note if the pixels are larger than the optics' finest structure requires."""
    cell = min(beam.cell for optics in channels for beam in optics.microscope.beams)
    pixel = channels[0].pixel
    if pixel <= COARSE * cell:
        return ()
    return (
        f"the pixels of {1000 * pixel:.0f} nm are larger than {1000 * cell:.0f} nm, half the "
        "period of the finest structure that the optics transmit; what lies between is lost.",
    )
