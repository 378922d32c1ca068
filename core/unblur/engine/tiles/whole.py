"""Images that fit into memory, done block by block without tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unblur.engine.intake.layout import name_block
from unblur.engine.job import DeblurJob
from unblur.engine.record.runlog import Outcome
from unblur.engine.steps.block import Recipe


def run_whole(request: DeblurJob, recipe: Recipe, outcome: Outcome) -> None:
    """Deblur every block of an image in memory, one after the other."""
    data = request.layout.view(np.asarray(request.image.data))
    result = np.empty_like(data)
    blocks = list(request.layout.blocks())
    if len(blocks) > 1:
        # Planes are treated alike, so that a stack does not flicker.
        recipe = replace(recipe, levels=request.levels(), context=request.context.silent())
    for index in request.context.track(blocks, "planes") if len(blocks) > 1 else blocks:
        name = name_block(request.layout, index)
        made = recipe.run(data[index])
        outcome.take(made.chain, name)
        outcome.nonfinite += made.nonfinite
        if made.nonfinite == made.values[recipe.colours].size:
            outcome.warn(f"{name}: left as it is; not one value is finite.")
        outcome.found(made.chain.estimate, name or "the whole image")
        result[index] = made.values
    outcome.values = result.reshape(request.image.shape)
