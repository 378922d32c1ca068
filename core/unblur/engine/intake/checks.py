"""Whether an image, a kernel and the stages go together; refused with the reason if not."""

from __future__ import annotations

from collections.abc import Sequence

from unblur.errors import KernelError, UsageError
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.model.stages import Deconvolver, KernelEstimator, Stage

SPATIAL = {2: "YX", 3: "ZYX"}


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
            f"({_size(shape)}); crop the kernel to its support (`unblur psf check FILE "
            "--repair OUT`) or give a larger image."
        )


def check_estimator_fits(stage: KernelEstimator, shape: Sequence[int]) -> None:
    """Raise `KernelError` if the kernel size of a step is larger than the image."""
    size = getattr(stage.params, "size", None)
    if isinstance(size, int) and size > min(shape):
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
                f"{image.source}: the kernel is 3-D ({_size(psf.shape)}), but the image has no "
                f"depth (axes {image.axes}); give a 2-D kernel, or name the axes with --axes ZYX."
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
            "e.g. map-hyper-laplacian."
        )
    if has_psf and "kernel" in kinds and "deconvolve" not in kinds:
        name = stages[kinds.index("kernel")].name
        raise UsageError(
            f"kernel '{name}' finds kernel and image together and cannot use a given kernel; "
            "leave the psf out, or add a deconvolve step."
        )


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in shape)


def _listed(dimensions: frozenset[int]) -> str:
    return " and ".join(f"{n}-D" for n in sorted(dimensions))
