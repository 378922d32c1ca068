"""All that is needed to deblur one tile of an image, wherever it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.engine.intake.masking import Masking, NonfinitePolicy, filled, find_nonfinite
from unblur.engine.intake.scaling import Scale
from unblur.engine.intake.statistics import Levels
from unblur.engine.steps.sequence import Chain, field_halo, run_steps
from unblur.model.context import Context
from unblur.model.kernel import KernelField
from unblur.model.stages import Deconvolver, Postprocessor, Stage

Array = NDArray[Any]
Flags = NDArray[np.bool_]


@dataclass(eq=False)
class Deblurred:
    """What became of one block.

    Attributes
    ----------
    values : (C, *spatial) array
        In the image's own type and units.
    chain : Chain
        Times and warnings of the steps; its image has served.
    nonfinite : int
        Values that were not finite or not there.
    """

    values: Array
    chain: Chain
    nonfinite: int


@dataclass(frozen=True, eq=False)
class Recipe:
    """A pipeline with every decision made that concerns the whole image; can be pickled.

    Parameters
    ----------
    stages : tuple of Stage
        The steps.
    field : KernelField, optional
        The kernels; `None` leaves the kernel step, if there is one, to each block.
    scale, masking, nonfinite
        See `DeblurJob`.
    colours : slice or list of int
        Channels that are deblurred; the others are copied.
    context : Context
        Device, seed, and stated noise.
    levels : Levels, optional
        Noise and contrast of the whole image.
    """

    stages: tuple[Stage, ...]
    field: KernelField | None
    scale: Scale
    masking: Masking
    nonfinite: NonfinitePolicy
    colours: Any
    context: Context
    levels: Levels | None = None

    def silent(self) -> Recipe:
        """Return the recipe whose steps report no progress, for one tile among many."""
        return replace(self, context=self.context.silent())

    def portable(self) -> Recipe:
        """Return the recipe without callbacks, for another process."""
        context = self.context.with_(is_cancelled=Context().is_cancelled)
        return replace(self, context=context).silent()

    def on(self, device: str) -> Recipe:
        """Return the recipe for another device."""
        return replace(self, context=self.context.with_(device=device))

    def tensors(
        self, block: Array, absent: Flags | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None, Flags | None]:
        """Return a block (C, *spatial) in the stages' unit, its mask, and its nonfinite values.

        Nonfinite values are replaced by the nearest finite ones, for stages without a mask.
        `absent` (*spatial) marks pixels that could not be read.
        """
        colours = block[self.colours]
        missing = find_nonfinite(colours)
        mask = self.masking.mask(colours)
        if absent is not None:
            missing = absent | (False if missing is None else missing)
            missing = np.broadcast_to(missing, colours.shape)
            known = (~absent).astype(np.float32)
            mask = known if mask is None else mask * known
        unit = self.scale.apply(colours)
        if missing is not None:
            unit = filled(unit, missing)
        device = self.context.device
        seen = torch.from_numpy(np.ascontiguousarray(unit)).to(device)
        return seen, None if mask is None else torch.from_numpy(mask).to(device), missing

    def run(
        self,
        block: Array,
        inner: tuple[slice, ...] | None = None,
        origin: tuple[int, int] = (0, 0),
        absent: Flags | None = None,
    ) -> Deblurred:
        """Deblur one block or one tile.

        Parameters
        ----------
        block : (C, *spatial) array
            Values in the image's own units, every channel, halo included.
        inner : tuple of slice, optional
            The part to return, without the halo; all of it by default.
        origin : (int, int)
            Row and column of the block's first pixel in the image.
        absent : (*spatial) bool array, optional
            Pixels that could not be read.
        """
        core = (slice(None), *(inner or (slice(None),) * (block.ndim - 1)))
        values = block[core].copy()
        seen, mask, missing = self.tensors(block, absent)
        count = 0 if missing is None else int(missing[core].sum())
        if missing is not None and missing.all():
            return Deblurred(values, Chain(seen), count)
        chain = run_steps(
            seen, self.stages, self.field, self.context, mask, origin=origin, levels=self.levels
        )
        made = self.scale.restore(chain.image[core].cpu().numpy())
        if missing is not None and self.nonfinite == "keep":
            gaps = missing[core]
            made[gaps] = _kept_value(block[self.colours][core], gaps, absent)
        values[self.colours] = made
        chain.image = seen[:0]
        return Deblurred(values, chain, count)

    @property
    def halo(self) -> tuple[int, ...]:
        """Pixels around a tile that make it equal the whole: the sum over all steps."""
        return tuple(sum(extents) for extents in zip(*self.halos.values(), strict=True))

    @property
    def halos(self) -> dict[str, tuple[int, ...]]:
        """The halo of each step, by its name; a step that is there twice counts twice."""
        found: dict[str, tuple[int, ...]] = {"": (0,) * self.ndim}
        for number, stage in enumerate(self.stages):
            own = halo_of(stage, self.field, self.ndim)
            if own is not None:
                found[f"{number + 1}. {stage.name}"] = own
        return found

    @property
    def ndim(self) -> int:
        """Number of spatial axes that the steps work in."""
        return 2 if self.field is None else self.field.kernels[0][0].ndim


def halo_of(stage: Stage, field: KernelField | None, ndim: int) -> tuple[int, ...] | None:
    """Return the halo of a step, `None` for a kernel step, which has none.

    To a deconvolver's own a kernel's width is added: so wide is the margin of a tile whose scene
    the tile cannot determine, and from there on its errors die away.
    """
    if isinstance(stage, Deconvolver) and field is not None:
        own = field_halo(stage, field)
        width = field.kernels[0][0].shape
        return tuple(h + n - 1 for h, n in zip(own, width, strict=True))
    if isinstance(stage, Postprocessor):
        halo = stage.halo(None if field is None else field.mean)
        return halo if len(halo) == ndim else (0,) * (ndim - len(halo)) + tuple(halo)
    return None


def calibrate(
    recipe: Recipe, blurred: torch.Tensor, mask: torch.Tensor | None, origin: Sequence[int]
) -> Recipe:
    """Return the recipe with every stage calibrated on a representative region of the image.

    `blurred` (C, *spatial) is that region and `mask` (*spatial) its mask; each stage is calibrated
    on the output of the stages before it.
    """
    place = (origin[-2], origin[-1])
    kernel = None if recipe.field is None else recipe.field.mean
    levels = recipe.levels
    context = recipe.context if levels is None else levels.together(recipe.context)
    done: list[Stage] = []
    for stage in recipe.stages:
        if not needs_calibration(stage):
            done.append(stage)
            continue
        chain = run_steps(
            blurred, done, recipe.field, recipe.context, mask, origin=place, levels=levels
        )
        if isinstance(stage, Deconvolver) and kernel is not None:
            first = not any(isinstance(other, Deconvolver) for other in done)
            done.append(stage.calibrate(chain.image, kernel, context, mask if first else None))
        elif isinstance(stage, Postprocessor):
            done.append(stage.calibrate(chain.image, blurred, kernel, context))
    return replace(recipe, stages=tuple(done))


def needs_calibration(stage: Stage) -> bool:
    """Return whether a stage overrides `calibrate`."""
    for kind in (Deconvolver, Postprocessor):
        if isinstance(stage, kind):
            return type(stage).calibrate is not kind.calibrate
    return False


def _kept_value(block: Array, gaps: Flags, absent: Flags | None) -> Any:
    """Return the nonfinite values to keep, or NaN (0 in integers) where they were not read."""
    if absent is None:
        return block[gaps]
    return np.nan if block.dtype.kind == "f" else 0
