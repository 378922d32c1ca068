"""A pipeline while it is being edited: steps come and go, params change, nothing is on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unblur.model.stages import Kind
from unblur.pipeline import Pipeline
from unblur.plugins.manager import Registry


@dataclass(frozen=True)
class DraftStep:
    """One step: kind and name of the stage, and the params that were written down."""

    kind: Kind
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """The steps as edited, and the pipeline they started from.

    Parameters
    ----------
    source : str
        Name of the shipped pipeline or path of the file, as `unblur run` takes it.
    origin : Pipeline
        The pipeline as it was loaded.
    steps : tuple of DraftStep
        As they stand now.
    """

    source: str
    origin: Pipeline
    steps: tuple[DraftStep, ...]

    @classmethod
    def of(cls, pipeline: Pipeline, source: str) -> Draft:
        """Return the draft that equals `pipeline`."""
        plain = pipeline.model_dump(mode="json")["steps"]
        steps = tuple(
            DraftStep(step.kind, step.name, written["params"])
            for step, written in zip(pipeline.steps, plain, strict=True)
        )
        return cls(source, pipeline, steps)

    def pipeline(self) -> Pipeline:
        """Return the pipeline as edited; raises pydantic's `ValidationError` for a bad order."""
        steps = [{s.kind: s.name, "params": dict(s.params)} for s in self.steps]
        return Pipeline.model_validate(
            {"summary": self.origin.summary, "steps": steps, "tiles": self.origin.tiles}
        )

    @property
    def is_edited(self) -> bool:
        """Whether anything differs from the pipeline that was loaded."""
        return self.steps != Draft.of(self.origin, self.source).steps

    @property
    def same_stages(self) -> bool:
        """Whether only params differ, so that `--set` can say all of it."""
        before = [(step.kind, step.name) for step in self.origin.steps]
        return before == [(step.kind, step.name) for step in self.steps]

    @property
    def has_kernel_step(self) -> bool:
        """Whether a step estimates the kernel."""
        return any(step.kind == "kernel" for step in self.steps)

    @property
    def needs_psf(self) -> bool:
        """Whether a deconvolver stands there without an estimator to feed it."""
        kinds = {step.kind for step in self.steps}
        return "deconvolve" in kinds and "kernel" not in kinds

    def with_step(self, index: int, step: DraftStep) -> Draft:
        """Return the draft with one step replaced."""
        steps = list(self.steps)
        steps[index] = step
        return replace(self, steps=tuple(steps))

    def without_step(self, index: int) -> Draft:
        """Return the draft with one step removed."""
        return replace(self, steps=self.steps[:index] + self.steps[index + 1 :])

    def adding(self, kind: Kind, name: str) -> Draft:
        """Return the draft with one more step, put where its kind belongs.

        A kernel step goes first, a deconvolver before the trailing postprocessors, a
        postprocessor last.
        """
        steps = list(self.steps)
        place = len(steps)
        if kind == "kernel":
            place = 0
        elif kind == "deconvolve":
            while place and steps[place - 1].kind == "postprocess":
                place -= 1
        steps.insert(place, DraftStep(kind, name))
        return replace(self, steps=tuple(steps))


def missing_stage(pipeline: Pipeline, known: Registry) -> str:
    """Return why `pipeline` cannot run here ("" if it can): the stages nobody registered."""
    absent = [s for s in pipeline.steps if (s.kind, s.name) not in known.stages]
    if not absent:
        return ""
    names = ", ".join(f"'{step.name}' ({step.kind})" for step in absent)
    blame = "; ".join(str(broken) for broken in known.broken)
    return f"No installed plugin provides {names}." + (f" Broken: {blame}" if blame else "")
