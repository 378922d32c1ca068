"""Writing to disk: pipelines as text, results larger than memory as OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unblur.errors import OutputError

if TYPE_CHECKING:
    from napari_unblur.model.job import Control, Job
    from unblur.engine import Result
    from unblur.model.image import Image


def save_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, or raise `OutputError`."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written: {reason}; choose another place.") from None


def deblur_to_store(job: Job, image: Image, control: Control) -> Result:
    """Deblur a lazy image tile by tile into the OME-Zarr store that the job names.

    A run that was stopped goes on with what it had finished, if nothing has changed since.

    Raises
    ------
    UnblurError
        With what does not fit, or why the store cannot be written.
    Cancelled
        When asked to stop, after the tiles in work; they are kept for the next run.
    """
    from unblur.engine.job import DeblurJob
    from unblur.io import check_output
    from unblur.model.context import Context, resolve_device
    from unblur.runs import deblur_to_store as run_to_store

    path = job.destination
    assert path is not None
    check_output(image, path)
    context = Context(
        device=resolve_device(job.device),
        seed=job.seed,
        on_progress=control.on_progress,
        is_cancelled=control.is_cancelled,
    )
    return run_to_store(
        DeblurJob.of(image, job.pipeline, job.psf, context),
        path,
        resume="if-unchanged",
        on_resume=lambda: control.say(f"Going on with the run of {path.name} that was stopped."),
    )


def read_levels(path: Path, axes: str) -> list[Any]:
    """Return the levels of an OME-Zarr store (or the one of a plain zarr) as dask arrays."""
    import zarr

    opened = zarr.open(path, mode="r")
    if not isinstance(opened, zarr.Group):
        return [_lazy(opened)]
    attributes: Any = dict(opened.attrs)
    multiscale = attributes.get("ome", attributes)["multiscales"][0]
    names = "".join(str(axis["name"]).upper() for axis in multiscale["axes"])
    order = [names.index(axis) for axis in axes]
    return [_lazy(opened[level["path"]]).transpose(order) for level in multiscale["datasets"]]


def _lazy(array: Any) -> Any:
    import dask.array as da

    from_zarr: Any = da.from_zarr
    return from_zarr(array)
