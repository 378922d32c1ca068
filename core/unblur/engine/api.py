"""The one call: an image and a pipeline in, a sharp image and its account out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from unblur.engine.intake.masking import NonfinitePolicy, Saturated
from unblur.engine.job import DeblurJob, as_image, as_pipeline
from unblur.engine.kernels.finding import find_kernels
from unblur.engine.record import report as provenance
from unblur.engine.record.reporting import make_report
from unblur.engine.record.result import Result
from unblur.engine.record.runlog import Outcome
from unblur.engine.running.freeze import Frozen
from unblur.engine.tiles.memory import is_out_of_memory, release
from unblur.engine.tiles.planning import make_plan
from unblur.engine.tiles.tiled import prepare_for_tiles, run_lazily, run_tiles
from unblur.engine.tiles.whole import run_whole
from unblur.model.context import Context, Progress, resolve_device
from unblur.pipeline import Pipeline

SURELY_FITS = 4_000_000
"""Pixels of a block up to which no plan is needed."""


def deblur(
    image: Any,
    pipeline: str | Path | Pipeline,
    psf: Any = None,
    *,
    axes: str | None = None,
    device: str = "auto",
    seed: int = 0,
    noise: float | None = None,
    tile: int | None = None,
    nonfinite: NonfinitePolicy = "keep",
    saturated: Saturated = "auto",
    frozen: Frozen | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    **overrides: Any,
) -> Result:
    """Deblur an image with a pipeline.

    Parameters
    ----------
    image : Image, numpy or dask array
        Real numbers of any type. An array of two axes is YX; name the axes of any other.
    pipeline : str, Path or Pipeline
        Name of a shipped or registered pipeline, a pipeline file, or a `Pipeline`.
    psf : Kernel, KernelField or array, optional
        The blur, if known; it takes the place of the pipeline's kernel step. A 3-D kernel
        undoes the blur of a volume, a 2-D one that of each plane.
    axes : str, optional
        Axes of an array, e.g. "ZYX", "CYX", or "YXC" for a colour picture.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    seed : int
        Seed of every random draw.
    noise : float, optional
        Standard deviation of the noise as a fraction of the image's white; estimated if left
        out.
    tile : int, optional
        Edge of a tile in pixels, for images that do not fit into memory.
    nonfinite : {"keep", "fill"}
        What becomes of NaN and infinite values, which no step sees: they stay, or they take
        what the deconvolution found for them.
    saturated : {"auto", "mask", "keep"}
        Whether integer values at white are kept from the steps, since light was lost there;
        "auto" does so unless they are so many that they make up the picture.
    frozen : Frozen, optional
        Decisions of another image, from `freeze`, that hold for this one too: the kernel, and
        when to stop iterating.
    on_progress, is_cancelled : callable, optional
        See `Context`.
    **overrides
        Params of steps, e.g. `kernel__size=31` or `**{"kernel.size": 31}`.

    Returns
    -------
    Result
        Image of the input's kind, type and units, the kernel, and the report.

    Raises
    ------
    UnblurError
        With what does not fit and what to do.
    Cancelled
        If `is_cancelled` returned true.

    Notes
    -----
    Channels share one kernel, which is estimated on all of them together, save alpha, which
    stays as it is. Planes of a stack or a time series share the kernel of the plane with the
    most gradient energy, unless the pipeline has no deconvolve step: then each plane finds its
    own image and kernel. A stack is treated as a volume if the given kernel is 3-D, or if
    every kernel and deconvolve step of a blind pipeline handles volumes.

    Example
    -------
    >>> import numpy as np
    >>> box = np.full((3, 3), 1 / 9)
    >>> blurred = np.pad(np.ones((8, 8)), 12)
    >>> deblur(blurred, "wiener", box, device="cpu").image.shape
    (32, 32)
    """
    began, started = time.perf_counter(), provenance.now()
    given, arrange = as_image(image, axes)
    context = Context(device=resolve_device(device), seed=seed, noise=noise)
    if on_progress is not None:
        context = context.with_(on_progress=on_progress)
    if is_cancelled is not None:
        context = context.with_(is_cancelled=is_cancelled)
    settings = {**overrides, **({} if tile is None else {"tiles.size": tile})}
    request = DeblurJob.of(
        given,
        as_pipeline(pipeline, settings),
        psf,
        context,
        nonfinite=nonfinite,
        saturated=saturated,
    )
    if frozen is not None:
        request = frozen.applied(request)
    outcome = run(request)
    report = make_report(request, outcome, started, time.perf_counter() - began)
    estimate = outcome.estimate
    latent = None if estimate is None or estimate.latent is None else estimate.latent.cpu().numpy()
    return Result(
        image=arrange(given.with_data(outcome.values)),
        kernel=None if estimate is None else estimate.field,
        report=report,
        latent=latent if request.layout.count == 1 else None,
    )


def run(request: DeblurJob) -> Outcome:
    """Deblur an image whole, in tiles, or lazily, whichever it asks for and memory allows."""
    outcome = Outcome(request)
    kinds = {stage.kind for stage in request.stages}
    recipe = replace(request.recipe(), field=find_kernels(request, outcome))
    if request.image.is_lazy:
        recipe = prepare_for_tiles(request, recipe)
        run_lazily(request, recipe, make_plan(request, recipe, prefer_whole=False), outcome)
        return outcome
    tiles = request.pipeline.tiles
    size = prod(request.layout.spatial)
    needs_whole = "kernel" in kinds and recipe.field is None
    if needs_whole or (tiles.size == "auto" and size <= SURELY_FITS):
        run_whole(request, recipe, outcome)
        return outcome
    if tiles.size == "auto" and make_plan(request, recipe).whole:
        try:
            run_whole(request, recipe, outcome)
            return outcome
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            release(request.context.device)
            outcome.warn("memory ran out on the whole image; it was cut into tiles.")
    recipe = prepare_for_tiles(request, recipe)
    plan = make_plan(request, recipe, prefer_whole=False)
    run_tiles(request, recipe, plan, outcome)
    return outcome
