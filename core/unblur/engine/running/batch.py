"""Many images, one after the other, with settings of the first image for all if wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from unblur.engine.job import DeblurJob
from unblur.engine.kernels.estimate import find_kernels
from unblur.engine.report import Result
from unblur.engine.tiles.runner import calibrate_on_window
from unblur.errors import Cancelled, describe_exception
from unblur.model.context import Context
from unblur.model.kernel import KernelField
from unblur.model.run_report import Report
from unblur.model.stages import Stage
from unblur.numerics.psf.image_fit import check_pixel_size, with_image_pixels

Prepare = Callable[[Any], tuple[DeblurJob, Callable[[Result], Result]]]
"""Returns the job of an image, and a function that gives its result the image's kind again."""


@dataclass(frozen=True)
class Item:
    """One image of a batch.

    Parameters
    ----------
    name : str
        Its name in the summary.
    read : callable
        Returns the image when it is to be processed.
    write : callable
        Receives the result.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Result], None]


@dataclass
class Summary:
    """The images of a batch that were written, and those that failed.

    Attributes
    ----------
    done : dict of name to Report
        The images that were written.
    failed : dict of name to str
        The others, each with its cause.
    """

    done: dict[str, Report] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the summary as JSON text: names, causes, seconds, confidences and warnings."""
        done = {
            name: {
                "seconds": report.seconds,
                "confidence": report.confidence,
                "warnings": report.warnings,
            }
            for name, report in self.done.items()
        }
        return json.dumps({"done": done, "failed": self.failed}, indent=2)


@dataclass(frozen=True, eq=False)
class Frozen:
    """Settings of one image, to be used for others of the same kind.

    Attributes
    ----------
    field : KernelField, optional
        The kernel: given, or estimated on that image.
    stages : tuple of Stage
        The steps, those calibrated that have settings that depend on an image, such as when to
        stop.
    source : str
        The image.
    confidence : float, optional
        Confidence of an estimated kernel, in [0, 1].
    """

    field: KernelField | None
    stages: tuple[Stage, ...]
    source: str
    confidence: float | None = None

    def applied(self, job: DeblurJob) -> DeblurJob:
        """Return the job of another image with these settings.

        Raises
        ------
        KernelError
            If the kernel is that of an image with another pixel size.
        """
        if job.field is not None:  # it was given, and fitted to this image
            return job.with_settings(job.field, self.stages, job.origin, job.confidence)
        if self.field is not None:
            check_pixel_size(self.field, job.image, "process images of each pixel size apart")
        origin = f"frozen on {self.source}"
        return job.with_settings(self.field, self.stages, origin, self.confidence)


def freeze(job: DeblurJob) -> Frozen:
    """Return the settings of the pipeline on the job's image.

    They include a kernel if the pipeline deconvolves; a pipeline that finds kernel and image
    together goes on finding both on each image.

    Example
    -------
    >>> import numpy as np
    >>> from unblur.model.context import Context
    >>> from unblur.engine.job import DeblurJob, as_pipeline
    >>> from unblur.model.array_input import as_image
    >>> image, _ = as_image(np.random.default_rng(0).random((32, 32)), None)
    >>> pipeline = as_pipeline("richardson-lucy", {"deconvolve.stop": "discrepancy"})
    >>> frozen = freeze(DeblurJob.of(image, pipeline, np.ones((3, 3)), Context()))
    >>> frozen.stages[0].params.stop
    'fixed'
    """
    kernel = find_kernels(job)
    field = kernel.field
    processor = replace(job.processor, field=field)
    if field is not None:
        field = replace(with_image_pixels(field, job.image), source=f"of {job.image.source}")
    stages = calibrate_on_window(job, processor).stages
    return Frozen(field, stages, job.image.source, kernel.confidence)


def run_batch(
    items: Iterable[Item],
    prepare: Prepare,
    run_job: Callable[[DeblurJob], Result],
    context: Context,
    is_frozen: bool = False,
) -> Summary:
    """Process images one after the other; see `unblur.engine.deblur_batch`."""
    summary = Summary()
    frozen: Frozen | None = None
    for item in items:
        context.checkpoint()
        try:
            job, arrange = prepare(item.read())
            if is_frozen and frozen is None:
                frozen = freeze(job)
            result = arrange(run_job(job if frozen is None else frozen.applied(job)))
            item.write(result)
        except Cancelled:
            raise
        except Exception as error:
            summary.failed[item.name] = describe_exception(error)
            continue
        summary.done[item.name] = result.report
    return summary
