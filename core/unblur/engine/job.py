"""A deblurring prepared: image, pipeline and kernel checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unblur.engine.intake.built_pipeline import BuiltPipeline
from unblur.engine.intake.image_statistics import Block, ImageStatistics
from unblur.engine.intake.normalization import Nonfinite, Normalization, Saturated
from unblur.engine.steps.block import BlockProcessor
from unblur.engine.tiles.region_reader import RegionReader, readable_blocks
from unblur.engine.tiles.tiling import Tile, blocks_or_windows
from unblur.errors import UsageError
from unblur.model.block_layout import Layout
from unblur.model.context import Context, Progress, ToneCurve
from unblur.model.detector import stated_detector
from unblur.model.image import SAMPLE_BLOCKS, Image, check_deblurrable
from unblur.model.kernel import KernelField
from unblur.model.stages import Stage
from unblur.model.tone_curve_choice import choose_tone_curve
from unblur.numerics.constant_frame import describe_frame, find_content
from unblur.numerics.psf.image_fit import fit_psf
from unblur.numerics.tone_curve import decoding_slope, stored_values
from unblur.numerics.value_summary import ValueSummary
from unblur.pipeline import Pipeline

STATISTICS_EDGE, STATISTICS_WINDOWS = 256, 16
"""Edge in pixels and number of the windows on which noise and contrast of a large image are
measured."""


@dataclass(frozen=True)
class SizeLimits:
    """Sizes at which the engine changes its way of working.

    Parameters
    ----------
    unplanned : int
        Largest number of pixels of a block that is processed whole without measuring the
        memory that it needs.
    streamed : int
        Number of values of an image from which a result in a file is made of recorded tiles, so
        that a crash costs a few of them only.
    whole_kernel : int
        Largest number of pixels of a plane whose kernel is estimated on all of it; on windows
        of larger ones, whose texture suffices.
    """

    unplanned: int = 1024 * 1024
    streamed: int = 2**26
    whole_kernel: int = 1024 * 1024


DEFAULT_LIMITS = SizeLimits()
"""Sizes that are used if a caller gives none."""


@dataclass(frozen=True, eq=False)
class DeblurJob:
    """One image, one pipeline, and all decisions that hold for the whole of it.

    Attributes
    ----------
    image : Image
        In its own units.
    pipeline : Pipeline
        With every override applied.
    layout : Layout
        The blocks that the stages work on.
    values : ValueSummary
        Range and hash of the image's values.
    processor : BlockProcessor
        Processes one block or tile; with the kernel if it was given.
    origin : str
        Source of the given kernel, for the report.
    confidence : float, optional
        Confidence of the given kernel, in [0, 1], where it was estimated on another image.
    choices : mapping of str to str
        The values that a kernel was computed of from the image's metadata.
    limits : SizeLimits
        Sizes at which the engine changes its way of working.
    warnings : tuple of str
        What was odd about the input, for the report.
    """

    image: Image
    pipeline: Pipeline
    layout: Layout
    values: ValueSummary
    processor: BlockProcessor
    origin: str = "given"
    confidence: float | None = None
    choices: Mapping[str, str] = field_of(default_factory=dict)
    limits: SizeLimits = DEFAULT_LIMITS
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        image: Image,
        pipeline: Pipeline | BuiltPipeline,
        psf: Any,
        context: Context,
        *,
        nonfinite: Nonfinite = "keep",
        saturated: Saturated = "auto",
        psf_resample: bool = False,
        limits: SizeLimits = DEFAULT_LIMITS,
    ) -> DeblurJob:
        """Check that image, pipeline and kernel go together, and choose the normalisation.

        Parameters
        ----------
        image : Image
            The blurred image, in memory or lazy.
        pipeline : Pipeline or BuiltPipeline
            A `BuiltPipeline` has its kernel with it; `psf` is `None` then.
        psf : Kernel, KernelField, Image or array, optional
            The kernel, where it is known.
        context : Context
            Device, seed, noise (as a fraction of the image's white), progress, cancellation.
        nonfinite, saturated, psf_resample
            As for `unblur.deblur`.
        limits : SizeLimits, optional
            By default those that the engine was measured with.

        Raises
        ------
        UsageError, KernelError, ImageError
            With what does not fit and what to do.
        """
        built = pipeline if isinstance(pipeline, BuiltPipeline) else BuiltPipeline.of(pipeline, psf)
        values = ValueSummary.of(image, readable_blocks(image, SAMPLE_BLOCKS))
        if not values.count or image.extent("Y") * image.extent("X") == 1:
            check_deblurrable(image)
        built = built.for_image(image)
        field = built.field
        warnings = (*image.metadata.get("notes", ()), *values.notes, *built.notes)
        layout = built.layout(image)
        if field is not None:
            field, found = fit_psf(field, image, is_resampled=psf_resample)
            warnings += found
        normalization = Normalization.of(image, values, saturated)
        content = find_content(image)
        if content is not None:
            warnings += (describe_frame(content, image),)
        if context.noise is not None:
            context = context.with_(noise=context.noise * image.white / normalization.span)
        context = context.with_(
            saturation_level=normalization.unit_saturation_level,
            value_range=normalization.value_range,
            span=normalization.span,
            image_values=prod(image.shape),
            crop_origin=(image.origin.get("Y", 0), image.origin.get("X", 0)),
            **stated_detector(image),
        )
        processor = BlockProcessor(
            built.stages,
            field,
            normalization,
            nonfinite,
            layout.channels,
            context,
            content=content,
        )
        job = cls(
            image,
            built.pipeline,
            layout,
            values,
            processor,
            built.origin,
            choices=built.choices,
            limits=limits,
            warnings=warnings,
        )
        return job._with_tone_curve(choose_tone_curve(built.pipeline.tone_curve, image))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The steps."""
        return self.processor.stages

    @property
    def field(self) -> KernelField | None:
        """The kernel, if it was given."""
        return self.processor.field

    @property
    def context(self) -> Context:
        """Device, seed, noise with white = 1, progress, cancellation."""
        return self.processor.context

    def _with_tone_curve(self, curve: ToneCurve) -> DeblurJob:
        """Return the job of an image that stores light through `curve`.

        A noise that is given is that of the stored values; as light it is taken at the mean of
        the image.
        """
        if curve == "none":
            return self
        normalization, context = self.processor.normalization, self.context
        if context.noise is not None:
            slope = decoding_slope(float(np.mean(self.statistics.brightness)))
            context = context.with_(noise=context.noise * slope)
        normalization = replace(normalization, tone_curve=curve)
        level = normalization.unit_saturation_level
        context = context.with_(
            saturation_level=level,
            tone_curve=curve,
            on_progress=partial(_report_stored_values, context.on_progress),
        )
        processor = replace(self.processor, normalization=normalization, context=context)
        return replace(self, processor=processor)

    def with_settings(
        self,
        kernels: KernelField | None,
        stages: tuple[Stage, ...],
        origin: str,
        confidence: float | None = None,
    ) -> DeblurJob:
        """Return the job with other stages, and other kernels of that source and confidence."""
        processor = replace(self.processor, field=kernels, stages=stages)
        return replace(self, processor=processor, origin=origin, confidence=confidence)

    def read(self, window: Tile) -> Block:
        """Return a window of one block, white = 1, and its mask of valid pixels."""
        region = self.reader.read(window.region(window.padded))
        index = (0,) if window.z_slice is None else (0, slice(None), 0)
        unreadable = None if region.unreadable is None else region.unreadable[(0, *index[2:])]
        origin = (window.padded[-2].start, window.padded[-1].start)
        return self.processor.read(region.values[index], unreadable, origin)

    @cached_property
    def reader(self) -> RegionReader:
        """Reads the image by regions."""
        return RegionReader.of(self.image)

    @cached_property
    def statistics(self) -> ImageStatistics:
        """Noise and contrast of the image, measured on windows spread over it."""
        windows = blocks_or_windows(self.layout, STATISTICS_EDGE, STATISTICS_WINDOWS)
        return ImageStatistics.of(map(self.read, windows), self.context.noise)


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


Plannable = DeblurJob | PlanRequest
"""What a plan and the decision how an image is processed depend on."""


def _report_stored_values(report: Callable[[Progress], None], progress: Progress) -> None:
    """Report progress with its preview as the tone curve stores it."""
    preview = progress.preview
    if preview is not None:
        preview = stored_values(torch.as_tensor(preview), "srgb")
    report(replace(progress, preview=preview))


def as_pipeline(given: str | Path | Pipeline, settings: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline of that name or file, with params overridden.

    In Python a param is written with two underscores, `kernel__size=31`, or as a string,
    `**{"kernel.size": 31}`.
    """
    if not isinstance(given, str | Path | Pipeline):
        raise UsageError(
            "a pipeline is the name of one, a path to a file, or an unblur.Pipeline, got a "
            f"{type(given).__name__}; make one of keys and values by unblur.Pipeline(**given)."
        )
    pipeline = given if isinstance(given, Pipeline) else Pipeline.load(given)
    return pipeline.override({key.replace("__", "."): value for key, value in settings.items()})
