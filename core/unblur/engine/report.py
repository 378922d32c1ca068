"""Records of a run: its log, its report, and the result."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unblur.accel.memory import peak_memory
from unblur.engine.intake.image_statistics import Light
from unblur.model.confidence import DECIMALS
from unblur.model.kernel import KernelField
from unblur.old_names import current_report

if TYPE_CHECKING:
    from unblur.engine.job import DeblurJob
    from unblur.engine.kernels.estimate import KernelResult
    from unblur.engine.steps.sequence import StepResult
    from unblur.model.stages import Stage


class Record(BaseModel):
    """A part of a report; fields do not change once written."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StepRecord(Record):
    """One step as it ran."""

    kind: str = Field(description="kernel, deconvolve or postprocess.")
    name: str = Field(description="Name of the stage.")
    params: Mapping[str, Any] = Field(description="All params, defaults included.")
    seconds: float = Field(description="Time spent in it, summed over blocks and tiles.")


class InputRecord(Record):
    """The image that was given."""

    source: str
    axes: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str = Field(description="Hash of type, shape and values, or of a sample of them.")
    hashed: str = Field(description="Coverage of the hash: 'whole' or 'sample'.")


class ScaleRecord(Record):
    """The normalisation of values: (value - black) / (white - black)."""

    black: float
    white: float


class MaskRecord(Record):
    """Pixels that were excluded from the computation."""

    nonfinite: int = Field(
        description="Number of values read that were NaN, infinite or marked as no data."
    )
    saturated_share: float = Field(description="Share of values at the type's maximum.")
    saturated_masked: bool = Field(description="Whether those were masked.")


class KernelRecord(Record):
    """The kernel in use."""

    origin: str = Field(
        description="'given', 'frozen on' an image, or the name of the step that estimated it."
    )
    shape: tuple[int, ...] = Field(description="Extent in pixels.")
    grid: tuple[int, int] = Field(description="Rows and columns of kernels; (1, 1) is one.")
    channels: int = Field(1, description="Number of kernels by channel; 1 where they share one.")
    region: str = Field(description="Part of the image it was estimated from; '' if given.")
    confidence: float | None = Field(
        None,
        description="Probability that the result gains at least 0.5 dB in PSNR, in [0, 1]; null "
        "where it is unknown.",
    )
    choices: Mapping[str, str] = Field(
        {}, description="What the estimator chose, each with the evidence for it."
    )
    sha256: str


class Report(Record):
    """The report of one deblurring.

    Two runs of the same pipeline on the same input differ only in `started`, `seconds`,
    `peak_memory` and the seconds of steps, which `fingerprint` leaves out.
    """

    pipeline: Mapping[str, Any] = Field(description="The pipeline file's content.")
    steps: tuple[StepRecord, ...]
    seed: int
    device: str
    noise: float | None = Field(description="Noise, white = 1, handed to the stages.")
    input: InputRecord
    scale: ScaleRecord
    mask: MaskRecord
    kernel: KernelRecord | None
    tiles: Mapping[str, Any] | None = Field(None, description="Tiling, where there was any.")
    versions: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = Field((), description="Parts of the image that were not made.")
    started: str = Field(description="Date and time, UTC, ISO 8601.")
    seconds: float
    peak_memory: int = Field(description="Highest memory of the process or GPU so far, bytes.")

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, given: Any) -> Any:
        return current_report(given) if isinstance(given, Mapping) else given

    @property
    def confidence(self) -> float | None:
        """Confidence of the kernel, in [0, 1]; None without a kernel or where it is unknown."""
        return None if self.kernel is None else self.kernel.confidence

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return self.model_dump_json(indent=2)

    def fingerprint(self) -> str:
        """Return a hash of everything that determines the result, without times and memory."""
        content = self.model_copy(
            update={
                "steps": tuple(s.model_copy(update={"seconds": 0.0}) for s in self.steps),
                "started": "",
                "seconds": 0.0,
                "peak_memory": 0,
            }
        )
        return hashlib.sha256(content.model_dump_json().encode()).hexdigest()


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
        scale=ScaleRecord(black=normalization.black, white=normalization.white),
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
