"""What a deblurring would take, told before it is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from unblur.engine.job import DeblurJob, as_image, as_pipeline
from unblur.engine.tiles.planning import Plan, make_plan
from unblur.model.context import Context, resolve_device
from unblur.model.kernel import Kernel, KernelField
from unblur.numerics.synthesis import gaussian_kernel
from unblur.pipeline import Pipeline

ASSUMED_SIZE = 31
"""Edge in pixels of a kernel that is yet to be estimated, where its step states none."""


def plan(
    image: Any,
    pipeline: str | Path | Pipeline,
    psf: Any = None,
    *,
    axes: str | None = None,
    device: str = "auto",
    tile: int | None = None,
    workers: int | None = None,
    **overrides: Any,
) -> Plan:
    """Return how an image would be deblurred, without doing it.

    Parameters
    ----------
    image, pipeline, psf, axes, device, tile, **overrides
        As for `deblur`.
    workers : int, optional
        Tiles at once; by default one per GPU or CPU core.

    Notes
    -----
    Memory is not guessed: each step runs on two small tiles while its tensors are counted. A
    kernel that is yet to be estimated is stood in for by a Gaussian of the size that its step
    is set to, or of 31 pixels.

    Example
    -------
    >>> import numpy as np
    >>> plan(np.zeros((512, 512)), "wiener", np.ones((3, 3)), device="cpu").whole
    True
    """
    given, _ = as_image(image, axes)
    settings = {**overrides, **({} if tile is None else {"tiles.size": tile})}
    context = Context(device=resolve_device(device))
    request = DeblurJob.of(given, as_pipeline(pipeline, settings), psf, context)
    recipe = request.recipe()
    remarks: tuple[str, ...] = ()
    if recipe.field is None and any(stage.kind == "kernel" for stage in request.stages):
        kernel = _stand_in(request)
        recipe = replace(recipe, field=KernelField.single(kernel))
        size = "x".join(str(n) for n in kernel.shape)
        remarks = (f"the kernel is yet to be estimated; {size} pixels are assumed.",)
    made = make_plan(request, recipe, workers=workers, prefer_whole=not given.is_lazy)
    return replace(made, remarks=remarks + made.remarks)


def _stand_in(request: DeblurJob) -> Kernel:
    """Return a Gaussian as large as the kernel that will be estimated."""
    estimator = next(stage for stage in request.stages if stage.kind == "kernel")
    size = getattr(estimator.params, "size", None)
    edge = size if isinstance(size, int) else ASSUMED_SIZE
    extent = [min(edge, n) for n in request.layout.spatial]
    return gaussian_kernel(edge / 6, extent)
