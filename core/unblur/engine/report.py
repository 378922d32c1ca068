"""What a run returns: the result, and its log, of which the report is made."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from unblur.accel.memory import peak_memory
from unblur.engine.intake.image_statistics import Light
from unblur.model.confidence import DECIMALS
from unblur.model.kernel import KernelField
from unblur.model.run_report import (
    InputRecord,
    KernelRecord,
    MaskRecord,
    Report,
    ScaleRecord,
    StepRecord,
)

if TYPE_CHECKING:
    from unblur.engine.job import DeblurJob
    from unblur.engine.kernels.estimate import KernelResult
    from unblur.engine.steps.sequence import StepResult
    from unblur.model.stages import Stage


@dataclass(frozen=True, eq=False)
class Result:
    """A deblurred image with the report of the run.

    Attributes
    ----------
    image : Image, numpy or dask array
        Of the input's kind: an `Image` for an `Image`, an array for an array, lazy for lazy; of
        the input's shape, type and units.
    kernel : KernelField, optional
        The blur that was removed; a single kernel is the 1x1 field. `None` if there was none.
    report : Report
        Pipeline, params, seed, versions, times, warnings.
    latent : (C, *spatial) float32 array, optional
        The intermediate sharp image of the kernel step, white = 1, where the method yields one
        and the image has one block only.
    """

    image: Any
    kernel: KernelField | None
    report: Report
    latent: Any = None

    @property
    def confidence(self) -> float | None:
        """Probability that the result gains at least 0.5 dB in PSNR, in [0, 1].

        None without a kernel, for a given one, and where the estimator has no measure of it.
        """
        return self.report.confidence


@dataclass
class RunLog:
    """Times, warnings and failures of a part of a run, or of all of it.

    Attributes
    ----------
    seconds : list of float
        Time spent in each step.
    warnings : dict
        Sentences in the order of their occurrence, each once.
    failures : dict
        Parts of the image that could not be made, with the cause; likewise.
    nonfinite : int
        Number of values that were not finite.
    light : Light
        Sums of the values before and after.
    tiles : dict, optional
        The tiling, where there was any.
    """

    seconds: list[float]
    warnings: dict[str, None] = field(default_factory=dict)
    failures: dict[str, None] = field(default_factory=dict)
    nonfinite: int = 0
    light: Light = field(default_factory=Light)
    tiles: dict[str, Any] | None = None

    @classmethod
    def of(cls, stages: Sequence[Stage]) -> RunLog:
        """Return the empty log of a run of `stages`."""
        return cls([0.0] * len(stages))

    def add_seconds(self, seconds: Sequence[float]) -> None:
        """Add the time spent in each of the first steps."""
        for step, spent in enumerate(seconds):
            self.seconds[step] += spent

    def add_step_seconds(self, step: int, seconds: float) -> None:
        """Add time spent in one step."""
        self.seconds[step] += seconds

    def add_steps(self, result: StepResult, block: str = "") -> None:
        """Add times and warnings of steps that ran on the named block."""
        self.add_seconds(result.seconds)
        self.warn(*(f"{block}: {text}" if block else text for text in result.warnings))

    def warn(self, *sentences: str) -> None:
        """Add warnings, each once."""
        self.warnings.update(dict.fromkeys(sentences))

    def fail(self, *sentences: str) -> None:
        """Add parts that could not be made, each once."""
        self.failures.update(dict.fromkeys(sentences))

    def add(self, later: RunLog) -> None:
        """Add the log of a later part of the run."""
        self.add_seconds(later.seconds)
        self.warn(*later.warnings)
        self.fail(*later.failures)
        self.nonfinite += later.nonfinite
        self.light += later.light
        self.tiles = later.tiles or self.tiles


def make_report(
    job: DeblurJob, kernel: KernelResult, log: RunLog, started: str, seconds: float
) -> Report:
    """Return the report of a finished run; `seconds` is its duration."""
    normalization, values = job.processor.normalization, job.values
    is_restored = normalization.saturation_level is not None
    confidence = None if kernel.confidence is None else round(kernel.confidence, DECIMALS)
    steps = (
        StepRecord(
            kind=stage.kind,
            name=stage.name,
            params=stage.params.model_dump(mode="json"),
            seconds=spent,
        )
        for stage, spent in zip(job.stages, log.seconds, strict=True)
    )
    return Report(
        pipeline=job.pipeline.model_dump(mode="json", exclude_defaults=True),
        steps=tuple(steps),
        seed=job.context.seed,
        device=job.context.device,
        noise=job.context.noise,
        input=InputRecord(
            source=job.image.source,
            axes=job.image.axes,
            shape=job.image.shape,
            dtype=job.image.dtype.str,
            sha256=values.sha256,
            hashed="whole" if values.is_hashed_whole else "sample",
        ),
        scale=ScaleRecord(
            black=normalization.black,
            white=normalization.white,
            tone_curve=normalization.tone_curve,
        ),
        mask=MaskRecord(
            nonfinite=log.nonfinite,
            saturated_share=normalization.saturated_share,
            saturated_masked=normalization.saturation_level is not None,
        ),
        kernel=None
        if kernel.field is None
        else KernelRecord(
            origin=kernel.origin,
            shape=kernel.field.kernels[0][0].shape,
            grid=kernel.field.shape,
            channels=max(len(kernel.field.channels), 1),
            region=kernel.region,
            confidence=confidence,
            choices=kernel.choices,
            sha256=hash_field(kernel.field),
        ),
        tiles=log.tiles,
        versions=versions(),
        warnings=(
            *job.pipeline.notes,
            *(sentence for stage in job.stages for sentence in stage.warnings()),
            *job.warnings,
            *log.warnings,
            *log.light.warnings(job.stages, is_restored),
        ),
        failures=tuple(log.failures),
        started=started,
        seconds=seconds,
        peak_memory=peak_memory(job.context.device),
    )


def hash_field(field: KernelField) -> str:
    """Return the hash of a kernel field: weights and positions."""
    digest = hashlib.sha256(repr((field.rows, field.columns)).encode())
    for kernel in field.every_kernel:
        digest.update(repr(kernel.shape).encode())
        digest.update(np.ascontiguousarray(kernel.weights).data)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    import scipy
    import torch

    return {
        "unblur": metadata.version("unblur"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "platform": platform.platform(terse=True),
    }


def now() -> str:
    """Return the date and time, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
