"""A pipeline while it is being edited, before it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unblur.model.stages import Kind
from unblur.pipeline import Pipeline
from unblur.plugins.manager import Registry


@dataclass(frozen=True)
class DraftStep:
    """One step: kind and name of the stage, and the params that are set explicitly."""

    kind: Kind
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """The edited steps, and the pipeline they were derived from.

    Parameters
    ----------
    source : str
        Name of the shipped pipeline or path of the file, as `unblur run` takes it.
    origin : Pipeline
        The pipeline as it was loaded.
    steps : tuple of DraftStep
        The edited steps.
    """

    source: str
    origin: Pipeline
    steps: tuple[DraftStep, ...]

    @classmethod
    def of(cls, pipeline: Pipeline, source: str) -> Draft:
        """Return an unedited draft of `pipeline`."""
        plain = pipeline.model_dump(mode="json")["steps"]
        steps = tuple(
            DraftStep(step.kind, step.name, written["params"])
            for step, written in zip(pipeline.steps, plain, strict=True)
        )
        return cls(source, pipeline, steps)

    def pipeline(self) -> Pipeline:
        """Return the edited pipeline; raises pydantic's `ValidationError` for a wrong order."""
        steps = [{s.kind: s.name, "params": dict(s.params)} for s in self.steps]
        return Pipeline.model_validate(
            {"summary": self.origin.summary, "steps": steps, "tiles": self.origin.tiles}
        )

    @property
    def is_edited(self) -> bool:
        """Whether the draft differs from the pipeline that was loaded."""
        return self.steps != Draft.of(self.origin, self.source).steps

    @property
    def same_stages(self) -> bool:
        """Whether at most params differ, which `--set` can express."""
        before = [(step.kind, step.name) for step in self.origin.steps]
        return before == [(step.kind, step.name) for step in self.steps]

    @property
    def has_kernel_step(self) -> bool:
        """Whether a step estimates the kernel."""
        return any(step.kind == "kernel" for step in self.steps)

    @property
    def needs_psf(self) -> bool:
        """Whether a deconvolver has no kernel estimator before it."""
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

    def with_added(self, kind: Kind, name: str) -> Draft:
        """Return the draft with one more step, at the position of its kind.

        A kernel step goes first, a deconvolver before the trailing postprocessors, a
        postprocessor last.
        """
        steps = list(self.steps)
        position = len(steps)
        if kind == "kernel":
            position = 0
        elif kind == "deconvolve":
            while position and steps[position - 1].kind == "postprocess":
                position -= 1
        steps.insert(position, DraftStep(kind, name))
        return replace(self, steps=tuple(steps))


def missing_stage(pipeline: Pipeline, registry: Registry) -> str:
    """Return a sentence on the stages that no plugin provides, "" if there are none."""
    missing = [s for s in pipeline.steps if (s.kind, s.name) not in registry.stages]
    if not missing:
        return ""
    names = ", ".join(f"'{step.name}' ({step.kind})" for step in missing)
    reasons = "; ".join(str(broken) for broken in registry.broken)
    return f"No installed plugin provides {names}." + (f" Broken: {reasons}" if reasons else "")
