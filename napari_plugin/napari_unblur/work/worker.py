"""Deblurring of a layer in a worker thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unblur.model.layer_job import JobResult, LayerJob, WorkerCallbacks
from napari_unblur.model.preview_region import PreviewRegion
from napari_unblur.work.result_layers import read_levels

if TYPE_CHECKING:
    from unblur.engine import DeblurJob, Result
    from unblur.model.image import Image


def run_job(job: LayerJob, callbacks: WorkerCallbacks) -> JobResult:
    """Deblur the part of the layer that the job names.

    Raises
    ------
    UnblurError
        If the layer, the PSF or the output cannot be used; the message contains the remedy.
    Cancelled
        If `callbacks.is_cancelled` returned True. Tiles of a store that are finished are kept, and
        the next run of the same job continues from them.
    """
    image = job.crop.image(job.snapshot, job.white)
    if job.output is None:
        result = _deblur(job, _in_memory(image), callbacks)
        data = job.crop.restore(job.snapshot, result.image.data)
    else:
        result = _deblur_to_store(job, image, callbacks)
        levels = read_levels(job.output, image.axes)
        data = [job.crop.restore(job.snapshot, level) for level in levels]
    return JobResult(job, data, result.kernel, result.report, result.confidence)


def run_preview(job: LayerJob, region: PreviewRegion, callbacks: WorkerCallbacks) -> JobResult:
    """Deblur the computed part of a preview and return its shown part."""
    image = _in_memory(job.crop.image(job.snapshot, job.white))
    result = _deblur(job, image, callbacks)
    data = job.crop.restore(job.snapshot, result.image.data)
    shown = region.shown_in_computed()
    index = (*shown, slice(None)) if job.snapshot.rgb else shown
    return JobResult(job, data[index], result.kernel, result.report, result.confidence)


def _in_memory(image: Image) -> Image:
    return image.with_data(image.data.compute()) if image.is_lazy else image


def _deblur(job: LayerJob, image: Image, callbacks: WorkerCallbacks) -> Result:
    from unblur.engine import run_job

    return run_job(_deblur_job(job, image, callbacks))


def _deblur_to_store(job: LayerJob, image: Image, callbacks: WorkerCallbacks) -> Result:
    from unblur.io import check_output
    from unblur.runs import deblur_to_store

    output = job.output
    assert output is not None
    check_output(image, output)
    return deblur_to_store(
        _deblur_job(job, image, callbacks),
        output,
        resume="if-unchanged",
        on_resume=lambda: callbacks.on_message(f"Continuing the stopped run of {output.name}."),
    )


def _deblur_job(job: LayerJob, image: Image, callbacks: WorkerCallbacks) -> DeblurJob:
    from unblur.engine import DeblurJob
    from unblur.model.context import Context, resolve_device

    context = Context(
        device=resolve_device(job.device),
        seed=job.seed,
        on_progress=callbacks.on_progress,
        is_cancelled=callbacks.is_cancelled,
    )
    return DeblurJob.of(image, job.pipeline, job.psf, context)
