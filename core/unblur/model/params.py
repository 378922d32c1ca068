"""The params of stages: validation, the error messages, and types that several stages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unblur.errors import ParamsError, shorten, suggestion
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
    """Return one sentence per broken rule: field, value, what was expected, and a near name."""
    problems = [(_place_of(problem, model), problem) for problem in error.errors()]
    places = [place for place, _ in problems]
    sentences: list[str] = []
    expected: dict[tuple[int | str, ...], list[str]] = {}
    for place, problem in problems:
        name = shorten(".".join(str(part) for part in place))
        given = shorten(repr(problem["input"]))
        if problem["type"] == "extra_forbidden":
            known = list(_model_at(model, place[:-1]).model_fields)
            listed = ", ".join(known) or "none"
            hint = suggestion(str(place[-1]), known) or "."
            sentences.append(f"there is no param '{name}'{hint} Known: {listed}.")
        elif problem["type"] == "missing":
            sentences.append(f"'{name}' is needed.")
        elif any(other[: len(place)] == place != other for other in places):
            continue  # what is wrong within it is stated
        elif problem["type"] in _EXPECTED and place:
            expected.setdefault(place, []).append(_expectation(problem))
            if len(expected[place]) == 1:
                sentences.append(f"'{name}' is {given}; expected {{{name}}}.")
        else:
            message = problem["msg"].removeprefix("Value error, ").rstrip(".")
            sentences.append(f"'{name}' is {given}: {message}." if name else f"{message}.")
    text = " ".join(sentences)
    for place, kinds in expected.items():
        name = shorten(".".join(str(part) for part in place))
        text = text.replace(f"{{{name}}}", " or ".join(dict.fromkeys(kinds)))
    return text


_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
}
"""Expected values by the type of pydantic's error, with the names of its context."""


def _expectation(problem: Any) -> str:
    """Return what was expected in the place of a value, in words."""
    return _EXPECTED[problem["type"]].format(**problem.get("ctx", {}))


def _place_of(problem: Any, model: type[BaseModel]) -> tuple[int | str, ...]:
    """Return the field that an error is about, without the names of a union's members."""
    place = tuple(problem["loc"])
    if problem["type"] in ("extra_forbidden", "missing"):
        return place
    while len(place) > 1 and isinstance(place[-1], str):
        if place[-1] in _model_at(model, place[:-1]).model_fields:
            break
        place = place[:-1]
    return place


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
