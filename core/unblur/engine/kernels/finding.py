"""The kernels of an image: given, found on the whole of it, on regions, or part by part."""

from __future__ import annotations

from math import prod

from unblur.engine.intake.layout import name_block
from unblur.engine.job import DeblurJob
from unblur.engine.kernels.estimate import region_edge, regional_kernel, whole_kernel
from unblur.engine.kernels.local import local_kernels
from unblur.engine.record.runlog import Outcome
from unblur.model.kernel import KernelField
from unblur.model.stages import Estimate

WHOLE_BLOCK = 1024 * 1024
"""Pixels up to which a block is estimated on as a whole; regions of larger ones tell enough."""


def find_kernels(request: DeblurJob, outcome: Outcome) -> KernelField | None:
    """Return the kernels of an image and note in `outcome` where they come from.

    `None` where there are none, or where each block finds its own: the pipeline's image comes
    out of the kernel step itself.
    """
    if outcome.estimate is not None:
        return outcome.estimate.field
    kinds = {stage.kind for stage in request.stages}
    if not {"kernel", "deconvolve"} <= kinds:
        return None
    layout, stages, context = request.layout, request.stages, request.context
    read = request.read
    tiles = request.pipeline.tiles
    if tiles.kernel == "local":
        edge = tiles.size if isinstance(tiles.size, int) else None
        field, where = local_kernels(layout, stages, read, context, edge, tiles.motion)
        outcome.found(Estimate(field), where)
        return field
    if prod(layout.spatial[-2:]) <= max(WHOLE_BLOCK, region_edge(stages) ** 2):
        chain, block = whole_kernel(layout, stages, read, context)
        outcome.take(chain)
        assert chain.estimate is not None
        depth = 0 if block.depths is None else block.depths.start
        name = name_block(layout, (block.times.start, slice(None), depth))
        outcome.found(chain.estimate, name or "the whole image")
        return chain.estimate.field
    kernel, where = regional_kernel(layout, stages, read, context)
    outcome.found(Estimate.of(kernel), where)
    return KernelField.single(kernel)
