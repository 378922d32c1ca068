"""The result of a run as it gathers: values, kernel, times, warnings."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from unblur.engine.job import DeblurJob
from unblur.engine.steps.sequence import Chain
from unblur.model.stages import Estimate

Array = NDArray[Any]


class Outcome:
    """What is known of a run so far.

    Attributes
    ----------
    values : numpy or dask array, optional
        The result, of the input's shape.
    estimate : Estimate, optional
        The kernel in use.
    origin, where : str
        Which step found the kernel ("given" if none did) and where.
    seconds : list of float
        Time spent in each step.
    warnings : dict
        Sentences, in the order in which they came up; each once.
    failures : dict
        Parts of the image that could not be made, with the cause; likewise.
    nonfinite : int
        Values that were not finite.
    tiles : dict, optional
        How the image was tiled.
    """

    def __init__(self, request: DeblurJob) -> None:
        self.request = request
        self.values: Any = None
        self.estimate = None if request.field is None else Estimate(request.field)
        self.origin = request.origin
        self.where = ""
        self.seconds = [0.0] * len(request.stages)
        self.warnings: dict[str, None] = {}
        self.failures: dict[str, None] = {}
        self.nonfinite = 0
        self.tiles: dict[str, Any] | None = None

    def take(self, chain: Chain, block: str = "") -> None:
        """Add the times and warnings of a chain that ran on the named block."""
        for step, seconds in enumerate(chain.seconds):
            self.seconds[step] += seconds
        self.warn(*(f"{block}: {text}" if block else text for text in chain.warnings))

    def warn(self, *sentences: str) -> None:
        """Remember sentences, each once."""
        self.warnings.update(dict.fromkeys(sentences))

    def fail(self, *sentences: str) -> None:
        """Remember what could not be made, each once."""
        self.failures.update(dict.fromkeys(sentences))

    def found(self, estimate: Estimate | None, where: str) -> None:
        """Remember the first kernel that is estimated, and where."""
        if estimate is not None and self.estimate is None:
            self.estimate, self.where = estimate, where
            self.origin = next(s.name for s in self.request.stages if s.kind == "kernel")
