"""Params that the estimators by networks share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unblur.engine.kernels.kernel_size import estimate_extent
from unblur.errors import ImageError
from unblur.model import stages
from unblur.model.context import Context
from unblur_selfdeblur.networks.image_generator import WIDTH
from unblur_selfdeblur.networks.kernel_generator import KernelNet
from unblur_selfdeblur.optimisation import Data

Stop = Literal["auto", "iterations"]
Preset = Literal["published", "fast"]

PUBLISHED_ITERATIONS = 5000
FAST_ITERATIONS, FAST_WIDTH = 1000, 32
"""What fits into a quarter of an hour on two cores, for an image of 255 x 255 pixels."""


class Settings(stages.Params):
    """Params that the estimators by networks share."""

    size: Literal["auto"] | Annotated[int, Field(ge=3, le=199)] = Field(
        "auto",
        description="Extent of the frame of the kernel in pixels, which must hold all of the "
        "blur; auto finds it by a quick look with `map`. It is at most half the image.",
    )
    preset: Preset = Field(
        "published",
        description="5000 iterations of networks 128 wide, for a GPU; or fast: 1000 of networks "
        "32 wide, for a CPU. Iterations and width, where given, go before it.",
    )
    iterations: Literal["auto"] | Annotated[int, Field(ge=1, le=100_000)] = Field(
        "auto", description="Iterations at full size; auto is the preset's."
    )
    width: Literal["auto"] | Annotated[int, Field(ge=2, le=512)] = Field(
        "auto",
        description="Channels of the image network at every level; auto is the preset's.",
    )
    kernel_net: KernelNet = Field(
        "one", description="Hidden layers of the kernel network (Table 2)."
    )
    region: Annotated[int, Field(ge=64)] | None = Field(
        None,
        description="Edge in pixels of the square with the most texture, on which alone a larger "
        "image is worked; the kernel is found, but no sharp image. For chains that deconvolve.",
    )
    colour: Literal["luma", "joint"] = Field(
        "luma",
        description="Deblur a colour image's luma alone and keep its chroma, or all its channels "
        "at once.",
    )
    restarts: int = Field(
        1, ge=1, le=100, description="Seeds that are tried; the best result is kept."
    )
    stop: Stop = Field(
        "auto", description="End on the plateau of the loss, or only after all iterations."
    )

    @property
    def full_iterations(self) -> int:
        """Iterations at full size."""
        if self.iterations != "auto":
            return int(self.iterations)
        return FAST_ITERATIONS if self.preset == "fast" else PUBLISHED_ITERATIONS

    @property
    def channels(self) -> int:
        """Channels of the image network."""
        if self.width != "auto":
            return int(self.width)
        return FAST_WIDTH if self.preset == "fast" else WIDTH


def frame_size(size: Literal["auto"] | int, data: Data, context: Context) -> int:
    """Return the extent of the kernel's frame for an image.

    Raises
    ------
    ImageError
        If the image measures less than twice as much.
    """
    extent = min(data.blurred.shape[-2:])
    if size == "auto":
        return estimate_extent(data.blurred, context)
    if extent < 2 * size:
        raise ImageError(
            f"an image of {tuple(data.blurred.shape[-2:])} pixels is too small to estimate a "
            f"kernel of {size}; it takes twice the kernel at least. Set kernel.size to "
            f"{extent // 2} or less, or give a larger image."
        )
    return size
