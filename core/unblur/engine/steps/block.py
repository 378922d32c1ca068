"""Deblurring of one block or tile, with all settings that hold for the whole image."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.engine.intake.image_statistics import Block, ImageStatistics, Light
from unblur.engine.intake.normalization import (
    Flags,
    Nonfinite,
    Normalization,
)
from unblur.engine.steps.sequence import Box, StepResult, field_halo, run_steps
from unblur.model.context import Context
from unblur.model.kernel import KernelField
from unblur.model.stages import Deconvolver, Postprocessor, Stage
from unblur.numerics.channel_masks import joint_mask
from unblur.numerics.constant_frame import Content, frame_mask
from unblur.numerics.inpaint import fill_nearest
from unblur.plugins.returned import check_copy, check_halo

Array = NDArray[Any]


@dataclass(eq=False)
class BlockResult:
    """The result of one block.

    Attributes
    ----------
    values : (C, *spatial) array
        In the image's own type and units.
    steps : StepResult
        Times and warnings of the steps, without their image.
    nonfinite : int
        Number of values that were not finite, marked as no data, or could not be read.
    light : Light
        Sums of the values before and after.
    """

    values: Array
    steps: StepResult
    nonfinite: int
    light: Light = field(default_factory=Light)


@dataclass(frozen=True, eq=False)
class BlockProcessor:
    """A pipeline with every decision made that concerns the whole image; can be pickled.

    Parameters
    ----------
    stages : tuple of Stage
        The steps.
    field : KernelField, optional
        The kernels; `None` leaves the kernel step, if there is one, to each block.
    normalization : Normalization
        Map of the values to black = 0 and white = 1, and the valid pixels.
    nonfinite : {"keep", "fill"}
        Whether values that were not finite or no data stay so in the result.
    colours : slice or list of int
        Channels that are deblurred; the others are copied.
    context : Context
        Device, seed, and given noise.
    statistics : ImageStatistics, optional
        Noise and contrast of the whole image.
    content : (slice, slice), optional
        Rows and columns of the image within a frame of one value, which is no data and is kept.
    """

    stages: tuple[Stage, ...]
    field: KernelField | None
    normalization: Normalization
    nonfinite: Nonfinite
    colours: Any
    context: Context
    statistics: ImageStatistics | None = None
    content: Content | None = None

    def silent(self) -> BlockProcessor:
        """Return the processor whose steps report no progress, for one tile among many."""
        return replace(self, context=self.context.silent())

    def portable(self) -> BlockProcessor:
        """Return the processor without callbacks, for another process."""
        context = self.context.with_(is_cancelled=Context().is_cancelled)
        return replace(self, context=context).silent()

    def on(self, device: str) -> BlockProcessor:
        """Return the processor for another device."""
        return replace(self, context=self.context.with_(device=device))

    def read(
        self, block: Array, unreadable: Flags | None = None, origin: tuple[int, int] = (0, 0)
    ) -> Block:
        """Return a block (C, *spatial) with white = 1, and the pixels valid in all channels.

        A channel without any valid pixel does not count.
        """
        values, valid, _ = self.tensors(block, unreadable, origin)
        return values, joint_mask(valid, values)

    def frame(self, block: Array, origin: tuple[int, int]) -> Flags | None:
        """Return which pixels (Y, X) of a block lie on the frame, `None` if none does."""
        return None if self.content is None else frame_mask(self.content, block.shape, origin)

    def tensors(
        self, block: Array, unreadable: Flags | None = None, origin: tuple[int, int] = (0, 0)
    ) -> tuple[torch.Tensor, torch.Tensor | None, Flags | None]:
        """Return a block (C, *spatial) with white = 1, its valid values, and its missing ones.

        Missing values are filled with the nearest valid one, for stages that read masked pixels.
        `unreadable` (*spatial) marks pixels that could not be read. `origin` is the row and column
        of the block's first pixel in the image. The mask of valid values has the shape of the
        block.
        """
        colours = block[self.colours]
        missing = self.normalization.missing(block, self.colours)
        for more in (unreadable, self.frame(block, origin)):
            if more is not None:
                missing = more | (False if missing is None else missing)
                missing = np.broadcast_to(missing, colours.shape)
        valid = self.normalization.valid(colours, missing)
        unit = self.normalization.normalize(colours)
        if missing is not None:
            unit = fill_nearest(unit, missing)
        device = self.context.device
        values = torch.from_numpy(np.ascontiguousarray(unit)).to(device)
        return values, None if valid is None else torch.from_numpy(valid).to(device), missing

    def run(
        self,
        block: Array,
        crop: tuple[slice, ...] | None = None,
        origin: tuple[int, int] = (0, 0),
        unreadable: Flags | None = None,
        cut_axes: tuple[bool, ...] = (),
        halos: Sequence[Sequence[int]] = (),
        spanned_axes: tuple[bool, ...] = (),
    ) -> BlockResult:
        """Deblur one block or one tile.

        Parameters
        ----------
        block : (C, *spatial) array
            Values in the image's own units, every channel, halo included.
        crop : tuple of slice, optional
            The part to return, without the halo; all of it by default.
        origin : (int, int)
            Row and column of the block's first pixel in the image.
        unreadable : (*spatial) bool array, optional
            Pixels that could not be read.
        cut_axes, spanned_axes : tuple of bool
            As in `Context`.
        halos : sequence, optional
            For each step the pixels around `crop` that it is to be given, see `remaining_halos`;
            all of the block without.
        """
        parts = _parts(crop, block.shape[1:], halos) if crop else []
        inside = (slice(None), *(crop or (slice(None),) * (block.ndim - 1)))
        values = block[inside].copy()
        frame = self.frame(block, origin)
        blurred, valid, missing = self.tensors(block, unreadable, origin)
        kept = None if frame is None else np.broadcast_to(frame, blurred.shape)
        count = 0 if missing is None else int(missing[inside].sum())
        count -= 0 if kept is None else int(kept[inside].sum())
        if missing is not None and missing.all():
            return BlockResult(values, StepResult(blurred), count)
        result = run_steps(
            blurred,
            self.stages,
            self.field,
            self.context.with_(cut_axes=cut_axes, spanned_axes=spanned_axes)
            if cut_axes
            else self.context,
            valid,
            origin=origin,
            statistics=self.statistics,
            parts=parts,
        )
        image = result.image[inside]
        if crop and parts:
            own = (
                slice(c.start - p.start, c.stop - p.start)
                for c, p in zip(crop, parts[-1], strict=True)
            )
            image = result.image[(slice(None), *own)]
        made = self.normalization.denormalize(image.cpu().numpy())
        gaps = None if missing is None else missing[inside]
        light = Light.of(blurred[inside], image, self.normalization, gaps, bool(made.any()))
        if missing is not None and gaps is not None:
            if self.nonfinite == "fill":  # a channel without any value has nothing to be filled by
                axes = tuple(range(1, missing.ndim))
                empty = missing.all(axis=axes, keepdims=True)
                gaps = gaps & (empty if kept is None else empty | kept[inside])
            made[gaps] = block[self.colours][inside][gaps]
            if unreadable is not None:
                lost = gaps & np.broadcast_to(unreadable, missing.shape)[inside]
                made[lost] = np.nan if block.dtype.kind == "f" else 0
        values[self.colours] = made
        result.image = blurred[:0]
        return BlockResult(values, result, count, light)

    @property
    def halo(self) -> tuple[int, ...]:
        """Pixels around a tile with which it equals the whole image: the sum over all steps."""
        return tuple(sum(extents) for extents in zip(*self.halos.values(), strict=True))

    @cached_property
    def halos(self) -> dict[str, tuple[int, ...]]:
        """The halo of each step, by its number and name."""
        context = self.context
        if self.statistics is not None:
            context = self.statistics.of_least_noise(context)
        found: dict[str, tuple[int, ...]] = {"": (0,) * self.ndim}
        for number, stage in enumerate(self.stages):
            own = halo_of(stage, self.field, self.ndim, context)
            if own is not None:
                found[f"{number + 1}. {stage.name}"] = own
        return found

    @property
    def has_measured_halo(self) -> bool:
        """Whether the halo of a step depends on the noise and the contrast of the image."""
        return any(
            isinstance(stage, Deconvolver) and type(stage).tile_halo is not Deconvolver.tile_halo
            for stage in self.stages
        )

    def remaining_halos(self) -> list[tuple[int, ...]]:
        """Return for each step the halo with which it and the steps after it suffice."""
        remaining, found = (0,) * self.ndim, []
        for number, stage in reversed(list(enumerate(self.stages))):
            own = self.halos.get(f"{number + 1}. {stage.name}", (0,) * self.ndim)
            remaining = tuple(a + b for a, b in zip(remaining, own, strict=True))
            found.append(remaining)
        return found[::-1]

    @property
    def ndim(self) -> int:
        """Number of spatial axes that the steps work in."""
        return 2 if self.field is None else self.field.kernels[0][0].ndim


def halo_of(
    stage: Stage, field: KernelField | None, ndim: int, context: Context
) -> tuple[int, ...] | None:
    """Return the halo of a step, `None` for a kernel step, which has none.

    For a deconvolver it is that of `Deconvolver.tile_halo`, for the image's noise and contrast in
    `context`.
    """
    if isinstance(stage, Deconvolver) and field is not None:
        return field_halo(stage, field, context)
    if isinstance(stage, Postprocessor):
        made = stage.halo(None if field is None else field.mean)
        # Without a kernel a step of planes states two extents, which a stack has too.
        planes = isinstance(made, tuple) and len(made) < ndim
        halo = check_halo(made, stage, len(made) if planes else ndim)
        return (0,) * (ndim - len(halo)) + halo
    return None


def _parts(crop: Box, shape: Sequence[int], halos: Sequence[Sequence[int]]) -> list[Box]:
    """Return `crop` of a block with the halo of each step, as far as the block extends."""
    return [
        tuple(
            slice(max(c.start - h, 0), min(c.stop + h, n))
            for c, h, n in zip(crop, halo, shape, strict=True)
        )
        for halo in halos
    ]


def calibrate(
    processor: BlockProcessor,
    blurred: torch.Tensor,
    mask: torch.Tensor | None,
    origin: Sequence[int],
    on_seconds: Callable[[int, float], None] = lambda *_: None,
) -> BlockProcessor:
    """Return the processor with all data-dependent settings of its stages fixed.

    `blurred` is a textured part of the image; each step is given the result of the steps before
    it. `on_seconds` receives the number of each step that was run or calibrated, and the time
    spent.
    """
    position = (origin[-2], origin[-1])
    kernel = None if processor.field is None else processor.field.mean
    statistics = processor.statistics
    context = processor.context if statistics is None else statistics.pooled(processor.context)
    done: list[Stage] = []
    for number, stage in enumerate(processor.stages):
        if not needs_calibration(stage):
            done.append(stage)
            continue
        before = run_steps(
            blurred,
            done,
            processor.field,
            processor.context,
            mask,
            origin=position,
            statistics=statistics,
        )
        for step, seconds in enumerate(before.seconds):
            on_seconds(step, seconds)
        image, began = before.image, time.perf_counter()
        if isinstance(stage, Deconvolver) and kernel is not None:
            is_first = not any(isinstance(other, Deconvolver) for other in done)
            made: Stage = stage.calibrate(image, kernel, context, mask if is_first else None)
            done.append(checked_calibration(made, stage))
        elif isinstance(stage, Postprocessor):
            made = stage.calibrate(image, blurred, kernel, context)
            done.append(checked_calibration(made, stage))
        on_seconds(number, time.perf_counter() - began)
    return replace(processor, stages=tuple(done))


def checked_calibration(made: object, stage: Stage) -> Stage:
    """Return what a stage's `calibrate` returned; raise `PluginError` unless it is a copy."""
    return check_copy(made, stage, "calibrate")


def needs_calibration(stage: Stage) -> bool:
    """Return whether a stage has settings that depend on the image as a whole."""
    for kind in (Deconvolver, Postprocessor):
        if isinstance(stage, kind):
            return type(stage).calibrate is not kind.calibrate
    return False
