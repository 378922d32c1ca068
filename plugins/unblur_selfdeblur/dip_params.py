"""Params of the estimators by untrained networks (DIP: deep image prior)."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import Field

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import check_kernel_size
from unblur.model.params import KernelSize
from unblur.model.stages import KernelEstimator
from unblur.plugins import registry
from unblur_selfdeblur.networks.image_generator import WIDTH
from unblur_selfdeblur.networks.kernel_generator import KernelNet
from unblur_selfdeblur.optimisation import Observation

Stop = Literal["auto", "iterations"]
Preset = Literal["published", "fast"]

PUBLISHED_ITERATIONS = 5000
"""Number of iterations of the paper (Ren Sec. 4)."""
FAST_ITERATIONS, FAST_WIDTH = 1000, 32
"""Iterations and channels that take a quarter of an hour on two cores at 255 x 255 pixels."""
FAST_INITIALISED_ITERATIONS = 100
"""Number of iterations with these channels from an initial kernel, dimensionless; chosen on
central parts of two of Levin's pairs, im2_kernel5 and im3_kernel7."""
SIZE_ESTIMATOR = "map"
"""Name of the kernel estimator whose `kernel_size` gives a size of auto."""
FAST_INITIAL_ESTIMATOR = "map"
"""Name of the estimator of the initial kernel of the preset fast."""


class DipParams(stages.Params):
    """Params that `selfdeblur` and `kotera` share."""

    size: KernelSize = Field(
        "auto",
        description="Extent of the kernel in pixels, which must hold all of the blur; auto "
        "estimates it with `map` at a reduced size. It is at most half the image.",
    )
    preset: Preset = Field(
        "published",
        description="published: 5000 iterations of networks 128 wide, for a GPU; fast: 100 of "
        "networks 32 wide from an initial kernel (1000 without), for a CPU. The params iterations, "
        "width and initial_estimator override it.",
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
        description="Edge in pixels of the most textured square, to which a larger image is "
        "cropped; a kernel is returned, but no sharp image. For pipelines that deconvolve.",
    )
    colour: Literal["luma", "joint"] = Field(
        "luma",
        description="Deblur a colour image's luma alone and keep its chroma, or all its channels "
        "at once.",
    )
    restarts: int = Field(1, ge=1, le=100, description="Number of seeds; the best result is kept.")
    initial_estimator: str = Field(
        "auto",
        description="Estimator of the kernel that the networks are initialised with: map, or any "
        "other with a param size. none: random weights, as published. auto is the preset's: none "
        "with published, map with fast.",
    )
    stop: Stop = Field(
        "auto", description="Stop when the loss is on a plateau, or only after all iterations."
    )

    @property
    def full_iterations(self) -> int:
        """Iterations at full size."""
        if self.iterations != "auto":
            return int(self.iterations)
        if self.preset == "published":
            return PUBLISHED_ITERATIONS
        return FAST_ITERATIONS if self.initial is None else FAST_INITIALISED_ITERATIONS

    @property
    def initial(self) -> str | None:
        """Name of the estimator of the initial kernel; None for random weights."""
        if self.initial_estimator == "auto":
            return FAST_INITIAL_ESTIMATOR if self.preset == "fast" else None
        return None if self.initial_estimator == "none" else self.initial_estimator

    @property
    def channels(self) -> int:
        """Channels of the image network."""
        if self.width != "auto":
            return int(self.width)
        return FAST_WIDTH if self.preset == "fast" else WIDTH


def kernel_size(size: KernelSize, data: Observation, context: Context) -> int:
    """Return the extent of the kernel for an image, in pixels.

    Raises
    ------
    ImageError
        If the image measures less than twice as much along an axis.
    UsageError
        If `size` is "auto" and the estimator `map` is not installed.
    """
    if size == "auto":
        estimator = cast(KernelEstimator, registry().stage("kernel", SIZE_ESTIMATOR)({}))
        return cast(int, estimator.kernel_size(data.blurred, context))
    check_kernel_size(size, data.blurred.shape[-2:])
    return size
