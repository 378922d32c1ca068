"""The params of stages: validation, the error messages, and types that several stages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unblur.errors import ParamsError, suggestion
from unblur.old_names import current_params

KernelSize = Literal["auto"] | Annotated[int, Field(ge=3, le=199)]
"""Type of the param `size` of kernel estimators: extent in pixels, 3 to 199, or "auto"."""


class Params(BaseModel):
    """Settings of a stage. Each field states bounds, unit and meaning in its `Field`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage_name: ClassVar[str] = ""
    """Name of the stage that these params belong to; empty for a part of them."""

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, given: Any) -> Any:
        return current_params(cls.stage_name, given)[0] if isinstance(given, Mapping) else given


class PriorChoice(Params):
    """A prior inside another stage: which one, how strong, and its own params."""

    prior: str = Field(description="Name of a registered prior, e.g. l0-gradient.")
    weight: float = Field(gt=0, description="Weight of the prior against the data term.")
    params: Mapping[str, Any] = Field(default={}, description="Params of the prior itself.")


def validate_params(model: type[Params], given: Any, owner: str) -> Any:
    """Return `given` as an instance of `model`, or raise `ParamsError` naming the rule broken."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ParamsError(f"{owner}: {describe_errors(error, model)}") from None


def describe_errors(error: ValidationError, model: type[BaseModel]) -> str:
    """Return one sentence per broken rule: field, value, rule, and what was meant perhaps."""
    sentences = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = list(_model_at(model, problem["loc"][:-1]).model_fields)
            listed = ", ".join(known) or "none"
            hint = suggestion(str(problem["loc"][-1]), known) or "."
            sentences.append(f"there is no param '{place}'{hint} Known: {listed}.")
        elif problem["type"] == "missing":
            sentences.append(f"'{place}' is needed.")
        else:
            message = problem["msg"].removeprefix("Value error, ").rstrip(".")
            given = f"'{place}' is {problem['input']!r}: " if place else ""
            sentences.append(f"{given}{message}.")
    return " ".join(sentences)


def _model_at(model: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """Return the model whose fields are at a place inside another, e.g. in its list of steps."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            held = [model.model_fields[part].annotation]
            while held:
                kind = held.pop()
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    model = kind
                    break
                held.extend(get_args(kind))
    return model
