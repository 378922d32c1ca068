"""The report of a run, which a result carries and its JSON file holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unblur.old_names import current_report


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
    """The normalisation of values: (value - black) / (white - black), and the curve undone then."""

    black: float
    white: float
    tone_curve: str = Field(
        "none", description="The curve through which the image stores light: none, or srgb."
    )


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
