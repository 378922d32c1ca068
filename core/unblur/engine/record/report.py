"""What was done to an image: everything that is needed to do it again."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unblur.engine.tiles.reader import sound_blocks
from unblur.model.image import SAMPLE_BLOCKS, Image
from unblur.model.kernel import KernelField
from unblur.old_names import current_report

WHOLE_HASH_BYTES = 2**31
"""Images up to this size are hashed whole, larger ones by a sample of their blocks."""


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
    hashed: str = Field(description="'whole' or 'sample': what the hash covers.")


class ScaleRecord(Record):
    """How values became the unit of the stages: (value - black) / (white - black)."""

    black: float
    white: float


class MaskRecord(Record):
    """What was kept out of the computation."""

    nonfinite: int = Field(
        description="Values that were NaN or infinite, as far as they were seen."
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
    where: str = Field(description="What part of the image it was estimated from; '' if given.")
    sha256: str


class Report(Record):
    """The account of one deblurring.

    Two runs of the same pipeline on the same input differ in `started`, `seconds`,
    `peak_memory` and the seconds of steps only; `fingerprint` leaves those out.
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

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return self.model_dump_json(indent=2)

    def fingerprint(self) -> str:
        """Return a hash of all that determines the result, times and memory left out."""
        content = self.model_copy(
            update={
                "steps": tuple(s.model_copy(update={"seconds": 0.0}) for s in self.steps),
                "started": "",
                "seconds": 0.0,
                "peak_memory": 0,
            }
        )
        return hashlib.sha256(content.model_dump_json().encode()).hexdigest()


def describe_input(image: Image) -> InputRecord:
    """Return the record of `image`, hashed whole if it is in memory and no larger than 2 GB."""
    digest = hashlib.sha256(f"{image.dtype.str}{image.shape}".encode())
    size = image.dtype.itemsize * int(np.prod(image.shape, dtype=np.int64))
    whole = not image.is_lazy and size <= WHOLE_HASH_BYTES
    if whole or image.is_lazy:
        for block in sound_blocks(image, SAMPLE_BLOCKS):
            digest.update(np.ascontiguousarray(block).data)
    else:
        for row in np.linspace(0, len(image.data) - 1, 64).astype(int):
            digest.update(np.ascontiguousarray(image.data[row]).data)
    return InputRecord(
        source=image.source,
        axes=image.axes,
        shape=image.shape,
        dtype=image.dtype.str,
        sha256=digest.hexdigest(),
        hashed="whole" if whole else "sample",
    )


def hash_field(field: KernelField) -> str:
    """Return the hash of a kernel field: weights and positions."""
    digest = hashlib.sha256(repr((field.rows, field.columns)).encode())
    for row in field.kernels:
        for kernel in row:
            digest.update(repr(kernel.shape).encode())
            digest.update(np.ascontiguousarray(kernel.weights).data)
    return digest.hexdigest()


def describe_kernel(field: KernelField, origin: str, where: str) -> KernelRecord:
    """Return the record of the kernels in use."""
    return KernelRecord(
        origin=origin,
        shape=field.kernels[0][0].shape,
        grid=field.shape,
        where=where,
        sha256=hash_field(field),
    )


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


def peak_memory(device: str) -> int:
    """Return the highest memory in bytes: of the GPU if one is used, else of this process.

    0 where the system does not tell.
    """
    import torch

    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
