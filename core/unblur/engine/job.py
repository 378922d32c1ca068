"""What the caller asked for, checked and brought into one form before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unblur.engine.intake.brightness import Brightness
from unblur.engine.intake.checks import check_request, spatial_axes
from unblur.engine.intake.layout import Layout
from unblur.engine.intake.masking import Masking, NonfinitePolicy, Saturated
from unblur.engine.intake.scaling import Scale
from unblur.engine.intake.statistics import Levels, Piece
from unblur.engine.steps.block import Recipe
from unblur.engine.tiles.reader import Source
from unblur.engine.tiles.sampling import pieces
from unblur.engine.tiles.tiling import Tile
from unblur.errors import ImageError, KernelError, UsageError
from unblur.model.context import Context
from unblur.model.image import AXES, Image, check_deblurrable
from unblur.model.kernel import Kernel, KernelField
from unblur.model.stages import Stage
from unblur.pipeline import Pipeline

LEVEL_EDGE, LEVEL_WINDOWS = 256, 16
"""Edge and number of the windows on which noise and contrast of a large image are measured."""

Arrange = Callable[[Image], Any]


@dataclass(frozen=True, eq=False)
class DeblurJob:
    """One image, one pipeline, and all decisions that hold for the whole of it.

    Attributes
    ----------
    image : Image
        In its own units.
    pipeline : Pipeline
        With every override applied.
    stages : tuple of Stage
        Its steps, params validated.
    field : KernelField, optional
        The kernel, if it was given.
    layout : Layout
        The blocks that the stages see.
    scale : Scale
        The unit they see.
    masking : Masking
        What they do not see.
    nonfinite : {"keep", "fill"}
        Whether values that were not finite stay so in the result.
    context : Context
        Device, seed, noise in the unit of the stages, progress, cancellation.
    origin : str
        Where `field` comes from, for the report.
    """

    image: Image
    pipeline: Pipeline
    stages: tuple[Stage, ...]
    field: KernelField | None
    layout: Layout
    scale: Scale
    masking: Masking
    nonfinite: NonfinitePolicy
    context: Context
    origin: str = "given"

    @classmethod
    def of(
        cls,
        image: Image,
        pipeline: Pipeline,
        psf: Any,
        context: Context,
        *,
        nonfinite: NonfinitePolicy = "keep",
        saturated: Saturated = "auto",
    ) -> DeblurJob:
        """Check that image, pipeline and kernel go together, and decide scale and mask.

        Raises
        ------
        UsageError, KernelError, ImageError
            With what does not fit and what to do.
        """
        stages = tuple(pipeline.build())
        field = as_field(psf)
        check_request(stages, field is not None)
        brightness = Brightness.of(image)
        if not (image.is_lazy and brightness.count):
            check_deblurrable(image)
        kernel = None if field is None else field.kernels[0][0]
        layout = Layout.of(image, spatial_axes(image, stages, kernel) == 3)
        if not layout.colours:
            raise ImageError(f"{image.source}: alpha is its only channel; there are no colours.")
        scale = Scale.of(image, brightness)
        if context.noise is not None:
            context = context.with_(noise=context.noise * image.white / scale.span)
        masking = Masking.of(image, brightness, saturated)
        if masking.saturation_level is not None:
            context = context.with_(
                saturation_level=(masking.saturation_level - scale.black) / scale.span
            )
        return cls(image, pipeline, stages, field, layout, scale, masking, nonfinite, context)

    def recipe(self) -> Recipe:
        """Return what is needed to deblur a block, with the kernel if it was given."""
        return Recipe(
            self.stages,
            self.field,
            self.scale,
            self.masking,
            self.nonfinite,
            self.layout.channels,
            self.context,
        )

    def read(self, window: Tile) -> Piece:
        """Return a window of one block as the stages see it, and its mask."""
        reading = Source.of(self.image).read(window.region(window.outer))
        index = (0,) if window.depths is None else (0, slice(None), 0)
        absent = None if reading.absent is None else reading.absent[(0, *index[2:])]
        return self.recipe().tensors(reading.values[index], absent)[:2]

    def levels(self) -> Levels:
        """Measure noise and contrast of the image on windows spread over it."""
        windows = pieces(self.layout, LEVEL_EDGE, LEVEL_WINDOWS)
        return Levels.of(map(self.read, windows), self.context.noise)


def as_pipeline(given: str | Path | Pipeline, settings: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline of that name or file, with params overridden.

    In Python a param is written with two underscores, `kernel__size=31`, or as a string,
    `**{"kernel.size": 31}`.
    """
    pipeline = given if isinstance(given, Pipeline) else Pipeline.load(given)
    return pipeline.override({key.replace("__", "."): value for key, value in settings.items()})


def as_field(psf: Any) -> KernelField | None:
    """Return a kernel, kernel field or plain array as a kernel field."""
    if psf is None or isinstance(psf, KernelField):
        return psf
    if isinstance(psf, Kernel):
        return KernelField.single(psf)
    if isinstance(psf, str | Path):
        raise KernelError(f"psf is an array or a Kernel, got a path; unblur.read_kernel({psf!r}).")
    return KernelField.single(Kernel(np.asarray(psf)))


def as_image(given: Any, axes: str | None) -> tuple[Image, Arrange]:
    """Return the input as an `Image`, and what turns the resulting `Image` into the like again.

    Parameters
    ----------
    given : Image, numpy or dask array
        Two axes are YX; more have to be named.
    axes : str, optional
        Axes of an array in its own order, each a letter of TCZYX, e.g. "YXC" for a colour
        picture. The result has the same order.
    """
    if isinstance(given, Image):
        if axes is not None and axes != given.axes:
            raise UsageError(f"the image has axes {given.axes}; axes='{axes}' is for arrays only.")
        return given, lambda image: image
    array = given if hasattr(given, "dask") else np.asarray(given)
    if axes is None:
        if array.ndim != 2:
            raise UsageError(
                f"an array of {array.ndim} axes needs its axes named, e.g. axes='ZYX', 'CYX' or "
                f"'YXC' (shape {array.shape})."
            )
        axes = "YX"
    if len(axes) != array.ndim or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        raise UsageError(
            f"axes name each of the array's {array.ndim} axes once, by letters of {AXES} with Y "
            f"and X among them, got '{axes}'."
        )
    if not set(axes) <= set(AXES):
        raise UsageError(f"axes are letters of {AXES}, got '{axes}'.")
    order = sorted(range(len(axes)), key=lambda i: AXES.index(axes[i]))
    image = Image(array.transpose(order), "".join(axes[i] for i in order), source="the array")
    back = tuple(order.index(axis) for axis in range(len(order)))
    return image, lambda result: result.data.transpose(back)
