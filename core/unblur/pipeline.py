"""Pipeline files: YAML on disk, a validated list of steps in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from unblur.errors import PipelineError, UsageError, suggestion
from unblur.model.params import PriorChoice, describe_errors
from unblur.model.plain_yaml import describe_yaml_error, load_plain
from unblur.model.stages import Kind, Stage
from unblur.old_names import current_params
from unblur.plugins.manager import Registry, registry

STEP_KINDS: tuple[Kind, ...] = ("kernel", "deconvolve", "postprocess")
"""Kinds of stages that can be steps; priors are params of a step."""

RECOMMENDED = "photograph"
"""Name of the pipeline that is proposed for an image whose kernel is not known."""

MAX_FILE_BYTES = 100_000
"""Largest size of a pipeline file, in characters; larger files are refused unread."""


class Step(BaseModel):
    """One stage of a pipeline: its kind, its name and its params."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel: str | None = Field(None, description="Name of a kernel estimator.")
    deconvolve: str | None = Field(None, description="Name of a deconvolver.")
    postprocess: str | None = Field(None, description="Name of a postprocessor.")
    params: Mapping[str, Any] = Field({}, description="Params of the stage; the rest default.")
    _notes: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _read_old_names(cls, given: Any, handler: ModelWrapValidatorHandler[Step]) -> Step:
        if not (isinstance(given, Mapping) and isinstance(given.get("params"), Mapping)):
            return handler(given)
        name = next((str(given[kind]) for kind in STEP_KINDS if given.get(kind)), "")
        params, notes = current_params(name, given["params"])
        step = handler({**given, "params": params})
        step._notes = notes
        return step

    @model_validator(mode="after")
    def _one_stage(self) -> Step:
        named = [kind for kind in STEP_KINDS if getattr(self, kind)]
        if len(named) != 1:
            raise ValueError(f"a step names one of {', '.join(STEP_KINDS)}, here {named or 'none'}")
        return self

    @property
    def kind(self) -> Kind:
        """Which kind of stage this is."""
        return next(kind for kind in STEP_KINDS if getattr(self, kind))

    @property
    def name(self) -> str:
        """Name of the stage."""
        return str(getattr(self, self.kind))


class Tiles(BaseModel):
    """How a large image is cut up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int | Literal["auto"] = Field(
        "auto", description="Edge of a tile in pixels without its halo; auto fits the memory."
    )
    kernel: Literal["global", "local"] = Field(
        "global", description="One kernel for the whole image, or one per tile, interpolated."
    )
    motion: Literal["free", "camera"] = Field(
        "free",
        description="Local kernels as estimated, or those nearest to them that one motion of the "
        "camera makes: shifts and rotations in the image plane.",
    )

    @model_validator(mode="after")
    def _reasonable(self) -> Tiles:
        if self.size != "auto" and self.size < 32:
            raise ValueError(f"a tile is at least 32 pixels wide, got {self.size}")
        return self


class Pipeline(BaseModel):
    r"""A chain of stages, as a pipeline file declares it.

    Example
    -------
    >>> text = "summary: A Wiener filter.\nsteps:\n  - deconvolve: wiener\n"
    >>> pipeline = Pipeline.parse(text, "example")
    >>> [step.name for step in pipeline.steps]
    ['wiener']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str = Field(description="Purpose of the pipeline, in one line.")
    steps: tuple[Step, ...] = Field(min_length=1, description="Stages, in order.")
    tiles: Tiles = Field(Tiles(), description="How a large image is cut up.")
    tone_curve: Literal["none", "srgb", "auto"] = Field(
        "none",
        description="The curve through which the image stores light, undone before the steps and "
        "applied after them: none, srgb, or auto, that of sRGB for photographs of 8 bits and for "
        "colours of 16, unless their file states linear light.",
    )
    _notes: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="after")
    def _order(self) -> Pipeline:
        kinds = [step.kind for step in self.steps]
        if kinds.count("kernel") > 1:
            raise ValueError("a pipeline has one kernel step at most")
        if "kernel" in kinds and "deconvolve" in kinds[: kinds.index("kernel")]:
            raise ValueError("the kernel step comes before the first deconvolve step")
        return self

    @classmethod
    def parse(cls, text: str, source: str) -> Pipeline:
        """Read a pipeline from YAML text; `source` names it in errors.

        Raises
        ------
        PipelineError
            For text that is not plain YAML (tags, aliases), or not a pipeline.
        """
        if len(text) > MAX_FILE_BYTES:
            raise PipelineError(
                f"{source}: a pipeline file has at most {MAX_FILE_BYTES} characters, "
                f"got {len(text)}."
            )
        try:
            content = load_plain(text)
        except yaml.YAMLError as error:
            raise PipelineError(f"{source}: {describe_yaml_error(error)}") from None
        except (ValueError, OverflowError) as error:  # impossible dates, integers of many digits
            raise PipelineError(f"{source}: a value cannot be read ({error}).") from None
        if not isinstance(content, dict):
            raise PipelineError(
                f"{source}: a pipeline file is a mapping with 'summary' and 'steps', "
                f"got {type(content).__name__}."
            )
        unknown = [key for key in content if key not in cls.model_fields]
        if unknown:
            hint = suggestion(str(unknown[0]), cls.model_fields) or "."
            raise PipelineError(f"{source}: there is no key '{unknown[0]}'{hint}")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise PipelineError(f"{source}: {describe_errors(error, cls)}") from None

    @classmethod
    def load(cls, name_or_path: str | Path, known: Registry | None = None) -> Pipeline:
        """Return a shipped or registered pipeline by name, or one read from a file."""
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = (known or registry()).pipeline(str(name_or_path))
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PipelineError(f"{path}: cannot be read as text ({error}).") from None
        return cls.parse(text, str(path))

    def dump(self) -> str:
        """Return the YAML text of the pipeline, which `parse` reads back to an equal one."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)

    def build(self, known: Registry | None = None) -> list[Stage]:
        """Return the stages, params validated; raise `UsageError` for a name nobody registered.

        So are the priors that stages hold, and their params.
        """
        shelf = known or registry()
        stages = [shelf.stage(step.kind, step.name)(dict(step.params)) for step in self.steps]
        for stage in stages:
            for choice in _priors(stage):
                shelf.stage("prior", choice.prior)(dict(choice.params))
        return stages

    def override(self, settings: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline with params replaced.

        Parameters
        ----------
        settings : mapping
            `"kernel.size": 31` sets a param of the step of that kind (all of them, where
            several), `"svmap.noise": 0.01` of the step of that name, `"tiles.size": 512`
            of the tiling, `"tone_curve": "srgb"` that of the pipeline,
            `"kernel.priors.0.weight": 0.002` a member of a list, counted from 0, that the
            pipeline file states.
        """
        content = self.model_dump(mode="json")
        notes = list(self.notes)
        for key, value in settings.items():
            owner, _, param = key.partition(".")
            if owner == "tiles" and param:
                content["tiles"][param] = value
                continue
            if key == "tone_curve":
                content[key] = value
                continue
            targets = [s for s in content["steps"] if owner in (_kind(s), s[_kind(s)])]
            if not param or not targets:
                owners = [o for s in content["steps"] for o in (_kind(s), s[_kind(s)])]
                hint = suggestion(owner, [*owners, "tiles"]) or "."
                raise UsageError(
                    f"'{key}' names no param of this pipeline{hint} "
                    f"Expected STEP.PARAM=VALUE with STEP one of {', '.join([*owners, 'tiles'])}."
                )
            first, *rest = param.split(".")
            for step in targets:
                current, found = current_params(step[_kind(step)], {first: None if rest else value})
                ((name, given),) = current.items()
                notes.extend(found)
                _assign(step["params"], key, [name, *rest], value if rest else given)
        try:
            pipeline = type(self).model_validate(content)
        except ValidationError as error:
            raise UsageError(describe_errors(error, type(self))) from None
        pipeline._notes = tuple(dict.fromkeys((*notes, *pipeline.notes)))
        return pipeline

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that give the new names of the old ones that the pipeline was stated with."""
        stated = (note for step in self.steps for note in step._notes)
        return tuple(dict.fromkeys((*self._notes, *stated)))

    @property
    def needs_psf(self) -> bool:
        """Whether the user must bring a kernel: deconvolution without a kernel step."""
        kinds = {step.kind for step in self.steps}
        return "deconvolve" in kinds and "kernel" not in kinds


def _kind(step: Mapping[str, Any]) -> str:
    return next(kind for kind in STEP_KINDS if step[kind])


def _assign(params: Any, key: str, path: Sequence[str], value: Any) -> None:
    """Set the value at a path of names and, in lists, of places."""
    here, *rest = path
    place: Any = here
    if isinstance(params, list):
        if not here.isdecimal() or int(here) >= len(params):
            raise UsageError(
                f"'{key}' names member '{here}' of a list of {len(params)}; its members are "
                f"counted from 0 to {len(params) - 1}."
            )
        place = int(here)
    elif rest and rest[0].isdecimal() and here not in params:
        raise UsageError(
            f"'{key}' names a member of '{here}', which the pipeline leaves at its default; "
            f"state '{here}' as a whole."
        )
    if not rest:
        params[place] = value
        return
    within = params[place] if isinstance(params, list) else params.setdefault(place, {})
    _assign(within, key, rest, value)


def _priors(stage: Stage) -> Iterator[PriorChoice]:
    """Yield the priors that a stage's params choose, alone or in a tuple."""
    for _, value in stage.params:
        for choice in value if isinstance(value, tuple) else (value,):
            if isinstance(choice, PriorChoice):
                yield choice
