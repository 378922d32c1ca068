"""An image deblurred tile by tile into a file or store, to be resumed after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unblur.errors import OutputError

if TYPE_CHECKING:
    from unblur.engine import DeblurJob, Result
    from unblur.engine.running.schedulers import Scheduler
    from unblur.model.formats import RegionWriter
    from unblur.model.image import Image
    from unblur.runs.journal import Journal


def journal_path(output: Path) -> Path:
    """Return the folder in which the finished tiles of an unfinished result are recorded."""
    return output.with_name(f".{output.name}.journal")


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Hold the lock of an output, so that no other process writes it or the files beside it.

    What an interrupted run in tiles left for `--resume` is removed once the block has succeeded.

    Raises
    ------
    OutputError
        If another run holds the lock.
    """
    from unblur.io import partial_path
    from unblur.io.files import remove, scratch_path
    from unblur.runs.journal import Journal

    with Journal(journal_path(output), output) as journal:
        try:
            yield
        except BaseException:
            if journal.description is None:
                journal.delete()
            raise
        partial = partial_path(output)
        remove(partial)
        remove(scratch_path(partial))
        journal.delete()


def output_chunks(image: Image, source: Path) -> tuple[int, ...]:
    """Return the extents along TCZYX of a chunk of a result of the same format as `source`.

    Parameters
    ----------
    image : Image
        The image, read lazily.
    source : Path
        Its file or store.
    """
    from unblur.io.files import is_store, split_part
    from unblur.io.region_writers import default_chunks
    from unblur.model.image import AXES

    chunks = default_chunks(image.shape)
    if is_store(split_part(source)[0]):
        stored = image.metadata.get("shards") or image.metadata.get("chunks")
        chunks = tuple(int(n) for n in stored) if stored else chunks
    own = dict(zip(image.axes, chunks, strict=True))
    return tuple(own.get(axis, 1) for axis in AXES)


def deblur_to_store(
    job: DeblurJob,
    output: Path,
    *,
    resume: bool | Literal["if-unchanged"] = False,
    overwrite: bool = False,
    scheduler: Scheduler | None = None,
    workers: int | None = None,
    on_resume: Callable[[], None] | None = None,
    before_publish: Callable[[Result], None] | None = None,
) -> Result:
    """Deblur an image tile by tile into `output`, of any format that `unblur.io` writes.

    The result is kept under a temporary name beside `output` until it is complete. Finished
    tiles are recorded in the folder `journal_path(output)`, which is removed at the end.

    Parameters
    ----------
    job : DeblurJob
        Image (which may be lazy), pipeline and kernel; its context reports the progress
        and requests cancellation.
    output : Path
        The result. Check it beforehand with `unblur.io.check_output`.
    resume : bool or "if-unchanged"
        Whether to continue an interrupted run; if there is none, a new one begins. True raises
        an error where pipeline, params, kernel or input have changed since; "if-unchanged"
        begins anew then.
    overwrite : bool
        Whether to replace what is at `output`.
    scheduler : Scheduler, optional
        Where tiles are processed; by default in threads of this process.
    workers : int, optional
        Tiles at a time in threads; by default one per GPU or CPU core.
    on_resume : callable, optional
        Called before the tiles, if an interrupted run is continued.
    before_publish : callable, optional
        Receives the result once all tiles are written, before `output` appears, e.g. to write
        the files beside it.

    Returns
    -------
    Result
        Without an image, which is at `output`; `report.failures` lists the parts of it that
        could not be made.

    Raises
    ------
    OutputError
        If the result cannot be written, or the interrupted run cannot be continued.
    Cancelled
        If the user requested it, after the tiles in work; what is finished stays recorded.
    """
    from unblur.io import partial_path, publish
    from unblur.io.files import explained
    from unblur.runs.journal import Journal
    from unblur.runs.streaming import deblur_into

    partial = partial_path(output)
    with Journal(journal_path(output), output) as journal:
        if resume == "if-unchanged":
            resume = partial.exists() and _has_run_of(journal, job)
        if resume and journal.description is not None and on_resume is not None:
            on_resume()
        try:
            with explained(output):
                result = deblur_into(
                    job,
                    _store_opener(job.image, partial),
                    journal,
                    resume=resume,
                    scheduler=scheduler,
                    workers=workers,
                )
        except BaseException:
            if journal.description is None:  # it failed before anything was recorded
                journal.delete()
            raise
        if before_publish is not None:
            before_publish(result)
        publish(partial, output, overwrite=overwrite)
        journal.delete()
    return result


def _has_run_of(journal: Journal, job: DeblurJob) -> bool:
    """Return whether the journal is that of the same job, interrupted before its end."""
    from unblur.runs.streaming import describe_job

    if journal.description is None:
        return False
    try:
        journal.check(describe_job(job))
    except OutputError:
        return False
    return True


def _store_opener(image: Image, partial: Path) -> Callable[[bool], RegionWriter]:
    """Return a function that opens the store: a new one, or that of the interrupted run."""
    from unblur.io import create_store
    from unblur.io.files import remove

    def open_store(resume: bool) -> RegionWriter:
        if not resume:
            remove(partial)
        return create_store(partial, image, resume=resume)

    return open_store
