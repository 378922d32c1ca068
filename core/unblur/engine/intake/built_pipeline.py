"""A pipeline with its stages built, and whether they go together with an image and a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from typing import Any

from unblur.errors import ImageError, KernelError, UsageError
from unblur.model.block_layout import Layout
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.model.psf_input import as_field
from unblur.model.stages import Deconvolver, KernelEstimator, Stage
from unblur.pipeline import RECOMMENDED, Pipeline
from unblur.plugins.returned import check_copy, check_estimate, check_known_kernel


@dataclass(frozen=True, eq=False)
class BuiltPipeline:
    """A pipeline with its stages built and checked, for any number of images.

    Attributes
    ----------
    pipeline : Pipeline
        With every override applied.
    stages : tuple of Stage
        Its steps, params validated.
    field : KernelField, optional
        The kernel, if it was given, or if its step has it from a file or from metadata.
    origin : str
        "given", or the name of the step that computed the kernel from an image's metadata.
    choices : mapping of str to str
        The values that such a kernel was computed of.
    notes : tuple of str
        Remarks on it.
    """

    pipeline: Pipeline
    stages: tuple[Stage, ...]
    field: KernelField | None
    origin: str = "given"
    choices: Mapping[str, str] = field_of(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, pipeline: Pipeline, psf: Any = None) -> BuiltPipeline:
        """Build the stages of a pipeline and check that it fits the kernel, or the lack of one.

        Raises
        ------
        UsageError, KernelError
            With what does not fit and what to do.
        """
        stages, kernels = tuple(pipeline.build()), as_field(psf)
        check_request(stages, kernels is not None)
        return cls(pipeline, stages, kernels or _known_kernel(stages))

    def for_image(self, image: Image) -> BuiltPipeline:
        """Return the pipeline with the kernel that the image's metadata determines, if any.

        A kernel step that uses both metadata and pixels has the metadata then.

        Raises
        ------
        UsageError
            If the kernel step needs values that neither the image nor its params state.
        """
        if self.field is not None:
            return self
        estimator = next((s for s in self.stages if isinstance(s, KernelEstimator)), None)
        if estimator is None:
            return self
        ndim = spatial_axes(image, self.stages, None)
        found = estimator.kernel_from_metadata(image, ndim)
        if found is None:
            prepared = check_copy(
                estimator.prepare_for_image(image, ndim), estimator, "prepare_for_image"
            )
            stages = tuple(prepared if s is estimator else s for s in self.stages)
            return replace(self, stages=stages)
        check_estimate(found, estimator, "kernel_from_metadata", ndim)
        return replace(
            self,
            field=found.field,
            origin=estimator.name,
            choices=found.choices,
            notes=tuple(f"kernel '{estimator.name}': {note}" for note in found.notes),
        )

    def layout(self, image: Image) -> Layout:
        """Return the blocks of an image that the stages work on.

        Raises
        ------
        KernelError, ImageError
            If the kernel does not fit the image's axes, or alpha is the only channel.
        """
        kernel = None if self.field is None else self.field.kernels[0][0]
        layout = Layout.of(image, spatial_axes(image, self.stages, kernel) == 3)
        if not layout.colours:
            raise ImageError(f"{image.source}: alpha is its only channel; there are no colours.")
        return layout


def check_kernel_fits(kernel: Kernel, shape: Sequence[int], stage: Stage) -> None:
    """Raise `KernelError` unless `kernel` can be undone by `stage` on an image of `shape`."""
    if kernel.ndim not in stage.dimensions:
        raise KernelError(
            f"{stage.kind} '{stage.name}' works in {_listed(stage.dimensions)}, but the kernel is "
            f"{kernel.ndim}-D ({_size(kernel.shape)}); give a {min(stage.dimensions)}-D kernel, "
            "or use a stage that handles volumes, e.g. richardson-lucy."
        )
    if kernel.ndim != len(shape):
        raise KernelError(
            f"the kernel has {kernel.ndim} axes ({_size(kernel.shape)}), the image "
            f"{len(shape)} ({_size(shape)}); give a kernel with as many."
        )
    if any(k > n for k, n in zip(kernel.shape, shape, strict=True)):
        raise KernelError(
            f"the kernel ({_size(kernel.shape)} pixels) is larger than the image "
            f"({_size(shape)}); crop the kernel (`unblur psf check PSF --image IMAGE "
            "--repair OUT`) or give a larger image."
        )


def check_estimator_fits(stage: KernelEstimator, shape: Sequence[int]) -> None:
    """Raise `KernelError` if the kernel size of a step is larger than the image."""
    size = getattr(stage.params, "size", None)
    # Where the number of planes is a param of its own, the size is that of a plane.
    limited = shape[-2:] if hasattr(stage.params, "planes") else shape
    if isinstance(size, int) and size > min(limited):
        raise KernelError(
            f"kernel '{stage.name}' is asked for {size} pixels, but the image has "
            f"{_size(shape)}; set a smaller kernel.size or give a larger image."
        )


def spatial_axes(image: Image, stages: Sequence[Stage], psf: Kernel | None) -> int:
    """Return whether the stages see planes (2) or volumes (3).

    A given kernel decides. Without one, a stack is a volume if it has a kernel step and all of
    its steps handle volumes.

    Raises
    ------
    KernelError
        If a 3-D kernel comes for an image without depth, or for stages that are 2-D.
    """
    deep = image.extent("Z") > 1
    if psf is not None:
        if psf.ndim == 3 and not deep:
            raise KernelError(
                f"{image.source}: the kernel is 3-D ({_size(psf.shape)}), which needs a stack with "
                f"planes along Z, but the image has none (axes {image.axes}); give the whole "
                "stack, or a 2-D kernel, e.g. the plane of this one that is in focus"
                f"{_planes_hint(image)}."
            )
        for stage in stages:
            if isinstance(stage, Deconvolver) and psf.ndim not in stage.dimensions:
                check_kernel_fits(psf, psf.shape, stage)
        return psf.ndim
    estimates = any(isinstance(stage, KernelEstimator) for stage in stages)
    numeric = [s for s in stages if isinstance(s, KernelEstimator | Deconvolver)]
    return 3 if deep and estimates and all(3 in s.dimensions for s in numeric) else 2


def check_request(stages: Sequence[Stage], has_psf: bool) -> None:
    """Raise `UsageError` if the pipeline lacks a kernel, or cannot use the one it is given."""
    kinds = [stage.kind for stage in stages]
    if "deconvolve" in kinds and "kernel" not in kinds and not has_psf:
        name = stages[kinds.index("deconvolve")].name
        raise UsageError(
            f"deconvolve '{name}' needs the blur kernel, and this pipeline does not estimate it; "
            "give one (psf=... or --psf FILE), or use a pipeline with a kernel step, "
            f"e.g. {RECOMMENDED}."
        )
    if has_psf and "kernel" in kinds and "deconvolve" not in kinds:
        name = stages[kinds.index("kernel")].name
        raise UsageError(
            f"kernel '{name}' finds kernel and image together and cannot use a given kernel; "
            "leave the psf out, or add a deconvolve step."
        )


def _known_kernel(stages: Sequence[Stage]) -> KernelField | None:
    """Return the kernel that a kernel step has without an image, if a step deconvolves with it."""
    estimator = next((s for s in stages if isinstance(s, KernelEstimator)), None)
    if estimator is None or not any(isinstance(s, Deconvolver) for s in stages):
        return None
    return check_known_kernel(estimator.known_kernel(), estimator)


def _planes_hint(image: Image) -> str:
    """Return how to say that an axis of times or channels has the planes, if it may have."""
    named = str(image.metadata.get("file_axes") or image.axes)
    unnamed = "T" if image.channels else "TC"
    axis = next((a for a in unnamed if a in named and image.extent(a) > 1), None)
    if axis is None or "Z" in named:
        return ""
    return f"; if the {image.extent(axis)} along {axis} are planes, pass --axes " + named.replace(
        axis, "Z"
    )


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in shape)


def _listed(dimensions: frozenset[int]) -> str:
    return " and ".join(f"{n}-D" for n in sorted(dimensions))
