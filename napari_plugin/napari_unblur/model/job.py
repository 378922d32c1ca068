"""What the widget asks for, as plain data, and how a worker does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unblur.model.layers import Cut, Source
from napari_unblur.model.region import Region
from unblur.model.context import Progress
from unblur.model.kernel import KernelField
from unblur.pipeline import Pipeline

if TYPE_CHECKING:
    from unblur.engine import Report, Result
    from unblur.model.image import Image


@dataclass(frozen=True, eq=False)
class Control:
    """How a worker speaks with the window: reports go out, the wish to stop comes in."""

    on_progress: Callable[[Progress], None]
    is_cancelled: Callable[[], bool]
    say: Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Job:
    """One deblurring, of a part or all of a layer.

    Attributes
    ----------
    source, cut
        The layer and the part of it.
    pipeline, psf
        What to do, and the PSF if the user brings one.
    device, seed
        As `unblur.deblur` takes them.
    white : float
        Value that counts as 1; 0 lets the image decide.
    destination : Path, optional
        The zarr store that a result larger than memory goes to.
    """

    source: Source
    cut: Cut
    pipeline: Pipeline
    psf: KernelField | None = None
    device: str = "auto"
    seed: int = 0
    white: float = 0.0
    destination: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a job: values in the layer's own order of axes, kernel and report."""

    job: Job
    data: Any
    kernel: KernelField | None
    report: Report

    @property
    def is_multiscale(self) -> bool:
        """Whether `data` is a list of ever coarser levels."""
        return isinstance(self.data, list)


def run(job: Job, control: Control) -> Outcome:
    """Deblur everything that the job names.

    Raises
    ------
    UnblurError
        With a message that says what to do.
    Cancelled
        When asked to stop.
    """
    image = job.cut.image(job.source, job.white)
    if job.destination is None:
        result = _deblur(job, _in_memory(image), control)
        data = job.cut.restore(job.source, result.image.data)
    else:
        from napari_unblur.work.store import deblur_to_store, read_levels

        result = deblur_to_store(job, image, control)
        levels = read_levels(job.destination, image.axes)
        data = [job.cut.restore(job.source, level) for level in levels]
    return Outcome(job, data, result.kernel, result.report)


def run_preview(job: Job, region: Region, control: Control) -> Outcome:
    """Deblur the part in view; only what is shown of it comes back."""
    image = _in_memory(job.cut.image(job.source, job.white))
    result = _deblur(job, image, control)
    data = job.cut.restore(job.source, result.image.data)
    inside = (*region.inside(), slice(None)) if job.source.rgb else region.inside()
    return Outcome(job, data[inside], result.kernel, result.report)


def _in_memory(image: Image) -> Image:
    return image.with_data(image.data.compute()) if image.is_lazy else image


def _deblur(job: Job, image: Image, control: Control) -> Result:
    from unblur.engine import deblur

    return deblur(
        image,
        job.pipeline,
        job.psf,
        device=job.device,
        seed=job.seed,
        on_progress=control.on_progress,
        is_cancelled=control.is_cancelled,
    )
