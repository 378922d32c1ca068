"""The decision how an image is processed: the one that `plan` announces and `run` follows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from unblur.accel.memory import available
from unblur.engine.intake.built_pipeline import BuiltPipeline
from unblur.engine.intake.normalization import Normalization
from unblur.engine.job import DEFAULT_LIMITS, SizeLimits
from unblur.engine.steps.block import BlockProcessor
from unblur.engine.tiles.footprint import Footprint
from unblur.engine.tiles.planning import (
    Plannable,
    Way,
    footprint_of,
    is_gpu,
    largest_memory,
    with_assumed_kernel,
)
from unblur.model.block_layout import Layout
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.pipeline import Pipeline


@dataclass(frozen=True, eq=False)
class PlanRequest:
    """An image and a pipeline of which a decision is wanted before any value is read."""

    image: Image
    pipeline: Pipeline
    layout: Layout
    processor: BlockProcessor
    limits: SizeLimits

    @classmethod
    def of(
        cls,
        image: Image,
        built: BuiltPipeline,
        context: Context,
        limits: SizeLimits = DEFAULT_LIMITS,
    ) -> PlanRequest:
        """Return the request; `image` may be lazy."""
        built = built.for_image(image)
        layout = built.layout(image)
        scale = Normalization(0.0, image.white, image.dtype)
        processor = BlockProcessor(
            built.stages, built.field, scale, "keep", layout.channels, context
        )
        return cls(image, built.pipeline, layout, processor, limits)


def choose_way(
    job: Plannable, *, to_file: bool = False, is_recorded: bool = False, free: int | None = None
) -> Way:
    """Decide how an image is processed; what `plan` announces and `run` does.

    An image of up to `limits.unplanned` pixels is processed whole, and a larger one if it stays
    within the budget and, in a file, below `limits.streamed` values.

    Parameters
    ----------
    job : Plannable
        Image and pipeline; no value is read.
    to_file : bool
        Whether the result goes to a file that can be written tile by tile.
    is_recorded : bool
        Whether a scheduler or an interrupted run requires recorded tiles.
    free : int, optional
        Free memory of the device, bytes; measured by default.
    """
    if is_recorded:
        return "streamed"
    kinds = {stage.kind for stage in job.processor.stages}
    if job.image.is_lazy and not to_file:
        return "lazy"
    if "kernel" in kinds and "deconvolve" not in kinds:
        return "whole"  # each block finds its own kernel, which takes the whole of it
    tileable = "deconvolve" in kinds
    if to_file and tileable and prod(job.image.shape) >= job.limits.streamed:
        return "streamed"
    if job.pipeline.tiles.size != "auto":
        return "tiled"
    if prod(job.layout.spatial) <= job.limits.unplanned:
        return "whole"
    processor = with_assumed_kernel(job)[0]
    if _fits_whole(job, footprint_of(job, processor), free):
        return "whole"
    return "streamed" if to_file and tileable else "tiled"


def _fits_whole(job: Plannable, footprint: Footprint, free: int | None) -> bool:
    device = job.processor.context.device
    free = available(device) if free is None else free
    peak = footprint.predict(job.layout.spatial, is_gpu(device), is_tile=False)
    if not is_gpu(device):
        # The image and its result are in memory beside the block in work.
        peak += 2 * prod(job.image.shape) * job.image.dtype.itemsize
    return peak <= largest_memory(device, free)
