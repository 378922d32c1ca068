"""The public calls: deblur an image, plan it, deblur many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unblur.engine.intake.built_pipeline import BuiltPipeline
from unblur.engine.intake.normalization import Nonfinite, Saturated
from unblur.engine.job import DeblurJob, as_pipeline
from unblur.engine.report import Result
from unblur.engine.running.batch import Frozen, Item, Summary, run_batch
from unblur.engine.running.one_image import choose_way, run_job
from unblur.engine.tiles.expectation import expect, measure_warm_up
from unblur.engine.tiles.planning import Plan, make_plan, with_assumed_kernel
from unblur.errors import UsageError
from unblur.model.array_input import as_image
from unblur.model.context import Context, Progress, resolve_device
from unblur.pipeline import Pipeline


def deblur(
    image: Any,
    pipeline: str | Path | Pipeline,
    psf: Any = None,
    *,
    axes: str | None = None,
    device: str = "auto",
    seed: int = 0,
    noise: float | None = None,
    white: float | None = None,
    tile: int | None = None,
    nonfinite: Nonfinite = "keep",
    saturated: Saturated = "auto",
    psf_resample: bool = False,
    frozen: Frozen | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    **overrides: Any,
) -> Result:
    """Deblur an image with a pipeline.

    Parameters
    ----------
    image : Image, numpy or dask array, or astropy NDData
        Real numbers of any type. An array of two axes is YX; name the axes of any other. Pixels
        that `numpy.ma` or NDData mask are no data: they are left out and come back unchanged.
    pipeline : str, Path or Pipeline
        Name of a shipped or registered pipeline, a pipeline file, or a `Pipeline`.
    psf : Kernel, KernelField, Image, array or mapping, optional
        The blur, if known; it takes the place of the pipeline's kernel step. A 3-D kernel
        undoes the blur of a volume, a 2-D one that of each plane. If it states a pixel size, as
        one from `read_kernel` may, this has to be the image's. A mapping `{0: psf, 1: psf}` has
        one for each channel.
    axes : str, optional
        Axes of an array, e.g. "ZYX", "CYX", or "YXC" for a colour picture, whose alpha is copied if
        it has four channels of uint8 or uint16.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    seed : int
        Seed of every random draw.
    noise : float, optional
        Standard deviation of the noise as a fraction of the image's white; estimated if left
        out.
    white : float, optional
        Value at which the sensor clips, in the image's units, e.g. 4095; by default what the
        image states, or the largest value of integers where clipped light has gathered.
    tile : int, optional
        Edge of a tile in pixels, for images that do not fit into memory.
    nonfinite : {"keep", "fill"}
        Whether NaN and infinite values, which are masked in every step, stay in the result or
        are filled by the deconvolution.
    saturated : {"auto", "mask", "keep"}
        Whether integer values at white are masked, since light was lost there; "auto" masks
        them unless they are so many that they make up the picture.
    psf_resample : bool
        Whether a PSF of another pixel size than the image's is resampled to it.
    frozen : Frozen, optional
        Settings of another image, from `freeze`, that are used for this one too: the kernel,
        and when to stop iterating.
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
    Channels share one kernel, which is estimated on all of them together, unless there is one
    for each. Alpha is copied.
    Planes of a stack or a time series share the kernel of the plane with the most gradient
    energy, unless the pipeline has no deconvolve step: then each plane finds its own image and
    kernel. A stack is treated as a volume if the given kernel is 3-D, or if
    every kernel and deconvolve step of a blind pipeline handles volumes.

    Example
    -------
    >>> import numpy as np
    >>> box = np.full((3, 3), 1 / 9)
    >>> blurred = np.pad(np.ones((8, 8)), 12)
    >>> deblur(blurred, "wiener", box, device="cpu").image.shape
    (32, 32)
    """
    given, arrange = as_image(image, axes)
    if white is not None:
        given = given.with_white(white)
    context = _context(device, seed, noise, on_progress, is_cancelled)
    job = DeblurJob.of(
        given,
        as_pipeline(pipeline, _settings(overrides, tile)),
        psf,
        context,
        nonfinite=nonfinite,
        saturated=saturated,
        psf_resample=psf_resample,
    )
    result = run_job(job if frozen is None else frozen.applied(job))
    return replace(result, image=arrange(result.image))


def plan(
    image: Any,
    pipeline: str | Path | Pipeline,
    psf: Any = None,
    *,
    axes: str | None = None,
    device: str = "auto",
    tile: int | None = None,
    psf_resample: bool = False,
    workers: int | None = None,
    to_file: bool = False,
    chunk_shape: Sequence[int] | None = None,
    timed: bool = False,
    **overrides: Any,
) -> Plan:
    """Return how an image would be deblurred, without doing it.

    Parameters
    ----------
    image, pipeline, psf, axes, device, tile, psf_resample, **overrides
        As for `deblur`.
    workers : int, optional
        Tiles at a time; by default one per GPU or CPU core.
    to_file : bool
        Whether the result goes to a file, as by `unblur run`: a large one is then written tile
        by tile.
    chunk_shape : sequence of int, optional
        Extents along TCZYX of a chunk of that file.
    timed : bool
        Whether the steps also run on small pieces of the image, to measure the time and the
        memory to expect of the whole run.

    Notes
    -----
    Memory is measured: each step runs on two small tiles while its tensors are counted. A kernel
    that is still to be estimated is replaced by a Gaussian of the size of its step, or of 31
    pixels. How the image is processed is decided by the function that `deblur` and `unblur run`
    use.

    Example
    -------
    >>> import numpy as np
    >>> plan(np.zeros((512, 512)), "wiener", np.ones((3, 3)), device="cpu").whole
    True
    """
    given, _ = as_image(image, axes)
    job = DeblurJob.of(
        given,
        as_pipeline(pipeline, _settings(overrides, tile)),
        psf,
        _context(device),
        psf_resample=psf_resample,
    )
    way = choose_way(job, to_file=to_file)
    processor, remarks = with_assumed_kernel(job)
    if way != "whole" and processor.has_measured_halo:
        processor = replace(processor, statistics=job.statistics)
    remarks = job.warnings + remarks
    warm_up = measure_warm_up(job, processor) if timed else None
    made = make_plan(job, processor, way, workers=workers, chunk_shape=chunk_shape)
    made = replace(made, remarks=remarks + made.remarks)
    if warm_up is None:
        return made
    return replace(made, expected=expect(job, processor, made, warm_up))


def deblur_batch(
    items: Iterable[Item],
    pipeline: str | Path | Pipeline,
    psf: Any = None,
    *,
    frozen: bool = False,
    axes: str | None = None,
    device: str = "auto",
    seed: int = 0,
    noise: float | None = None,
    psf_resample: bool = False,
    is_cancelled: Callable[[], bool] | None = None,
    **overrides: Any,
) -> Summary:
    """Deblur images one after the other in this process.

    Parameters
    ----------
    items : iterable of Item
        Each is read only when it is processed, so that one image is in memory at a time.
    pipeline, psf, axes, device, seed, noise, psf_resample, is_cancelled, **overrides
        As for `deblur`.
    frozen : bool
        Whether the settings of the first image that can be read are used for all: the kernel,
        and when to stop iterating. Otherwise each image has its own.

    Returns
    -------
    Summary
        An image that fails, for whatever reason, is listed with its cause; the next is tried.

    Raises
    ------
    Cancelled
        If the user requested it; what is written stays.
    """
    built = BuiltPipeline.of(as_pipeline(pipeline, overrides), psf)
    context = _context(device, seed, noise, is_cancelled=is_cancelled)

    def prepare(image: Any) -> tuple[DeblurJob, Callable[[Result], Result]]:
        given, arrange = as_image(image, axes)
        job = DeblurJob.of(given, built, None, context, psf_resample=psf_resample)
        return job, lambda result: replace(result, image=arrange(result.image))

    return run_batch(items, prepare, run_job, context, frozen)


def _context(
    device: str,
    seed: int = 0,
    noise: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Context:
    if noise is not None and not (0 <= noise < math.inf):
        raise UsageError(
            f"noise is a standard deviation, 0 or more, as a fraction of white; got {noise:g}."
        )
    callbacks = {"on_progress": on_progress, "is_cancelled": is_cancelled}
    given = {name: call for name, call in callbacks.items() if call is not None}
    return Context(device=resolve_device(device), seed=seed, noise=noise).with_(**given)


def _settings(overrides: dict[str, Any], tile: int | None) -> dict[str, Any]:
    return overrides if tile is None else {**overrides, "tiles.size": tile}
