"""A deblurring job of the widget and its result, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unblur.model.layers import LayerCrop, LayerSnapshot
from unblur.model.choices import describe_choices
from unblur.model.confidence import describe_confidence
from unblur.model.context import Progress
from unblur.model.kernel import KernelField
from unblur.pipeline import Pipeline

if TYPE_CHECKING:
    from unblur.engine import Report


@dataclass(frozen=True, eq=False)
class WorkerCallbacks:
    """Functions through which a worker thread communicates with the user interface.

    Attributes
    ----------
    on_progress : callable
        Receives each `Progress`.
    is_cancelled : callable
        Returns whether the worker has to stop.
    on_message : callable
        Receives sentences for the user.
    """

    on_progress: Callable[[Progress], None]
    is_cancelled: Callable[[], bool]
    on_message: Callable[[str], None]


@dataclass(frozen=True, eq=False)
class LayerJob:
    """Input of one deblurring of a layer or a part of it.

    Attributes
    ----------
    snapshot : LayerSnapshot
        The layer.
    crop : LayerCrop
        The part of it.
    pipeline : Pipeline
        The steps.
    psf : KernelField, optional
        The PSF, unless the pipeline estimates it.
    device : str
        As for `unblur.deblur`.
    seed : int
        As for `unblur.deblur`.
    white : float
        Value that is scaled to 1, in the unit of the layer; 0 derives it from the image.
    output : Path, optional
        The zarr store for a result larger than memory.
    """

    snapshot: LayerSnapshot
    crop: LayerCrop
    pipeline: Pipeline
    psf: KernelField | None = None
    device: str = "auto"
    seed: int = 0
    white: float = 0.0
    output: Path | None = None


@dataclass(frozen=True, eq=False)
class JobResult:
    """Result of a job.

    Attributes
    ----------
    job : LayerJob
        The job.
    data : array or list of array
        The deblurred values in the layer's own order of axes; for a store, one array for each
        resolution level, the finest first.
    kernel : KernelField, optional
        The kernel that was estimated or given.
    report : Report
        Report of the run.
    confidence : float, optional
        Confidence of the kernel, in [0, 1], where it was estimated.
    """

    job: LayerJob
    data: Any
    kernel: KernelField | None
    report: Report
    confidence: float | None = None

    @property
    def confidence_text(self) -> str:
        """What the estimator chose and its confidence, as sentences; "" where it has neither."""
        kernel = self.report.kernel
        chosen = "" if kernel is None else describe_choices(kernel.choices)
        sentences = [f"Chosen: {chosen}."] if chosen else []
        if self.confidence is not None:
            sentences.append(f"Confidence {describe_confidence(self.confidence)}.")
        return " ".join(sentences)

    @property
    def is_multiscale(self) -> bool:
        """Whether `data` is a list of resolution levels."""
        return isinstance(self.data, list)
