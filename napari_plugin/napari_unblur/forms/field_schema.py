"""Description of a form as plain data, derived from the pydantic params of a stage."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as at
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from unblur.model.params import PriorChoice

Shape = Literal["switch", "integer", "number", "choice", "text", "group", "priors", "data"]

BASIC_COUNT = 4
"""Number of fields of a stage that are shown unfolded, from the first on, dimensionless."""

_UNITS = (
    (r"\bpixels?\b", "px"),
    (r"\bdegrees?\b", "°"),
    (r"\bseconds?\b", "s"),
    (r"\bper ?cent\b|\bpercentage\b", "%"),
)


@dataclass(frozen=True)
class Bounds:
    """The interval of a number; an open end excludes the bound itself."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __str__(self) -> str:
        if math.isinf(self.low) and math.isinf(self.high):
            return ""
        if math.isinf(self.high):
            return f"{'more than' if self.low_open else 'at least'} {self.low:g}"
        if math.isinf(self.low):
            return f"{'less than' if self.high_open else 'at most'} {self.high:g}"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class FormField:
    """One field of a form.

    Attributes
    ----------
    name, label, description, unit : str
        The name of the param, its label, its tooltip, and its unit.
    shape : str
        Kind of editor: switch, integer, number, choice, text, group (a nested model), priors
        (a list of priors) or data (any other value, edited as YAML).
    default : object
        Default in plain form (numbers, strings, lists, mappings), as in a pipeline file.
    bounds : Bounds
        Bounds of an integer or a number.
    choices : tuple
        Values of a choice.
    words : tuple
        Values that are allowed in place of a number, e.g. "auto" or None.
    inner : tuple of FormField
        Fields of a group.
    basic : bool
        Whether the field is always shown; the others are folded.
    """

    name: str
    label: str
    description: str
    unit: str
    shape: Shape
    default: Any
    bounds: Bounds = Bounds()
    choices: tuple[Any, ...] = ()
    words: tuple[Any, ...] = ()
    inner: tuple[FormField, ...] = ()
    basic: bool = True

    @property
    def tooltip(self) -> str:
        """The description, the bounds and the default."""
        lines = [self.description or self.label]
        if str(self.bounds):
            lines.append(f"Allowed: {self.bounds}.")
        if self.shape in ("switch", "integer", "number", "choice", "text"):
            lines.append(f"Default: {format_value(self.default)}.")
        return "\n".join(lines)


def form_fields(model: type[BaseModel]) -> tuple[FormField, ...]:
    """Return the fields of the form of `model`, in the order of the model."""
    return tuple(
        _form_field(name, info, position)
        for position, (name, info) in enumerate(model.model_fields.items())
    )


def format_value(value: Any) -> str:
    """Return a value as text for a form."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def changed_values(
    fields: tuple[FormField, ...], values: Mapping[str, Any], explicit: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values that differ from their defaults or whose names are in `explicit`."""
    return {
        field.name: values[field.name]
        for field in fields
        if field.name in values and (field.name in explicit or values[field.name] != field.default)
    }


def _form_field(name: str, info: FieldInfo, position: int) -> FormField:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    description = " ".join((info.description or "").split())
    parsed = _AnnotationShape(info.annotation, info.metadata)
    default = None
    if not info.is_required():
        raw = info.get_default(call_default_factory=True)
        default = None if raw is PydanticUndefined else to_jsonable_python(raw)
    return FormField(
        name=name,
        label=str(extra.get("label", name.replace("_", " ").capitalize())),
        description=description,
        unit=str(extra.get("unit", _unit(description) if parsed.is_numeric else "")),
        shape=parsed.shape,
        default=default,
        bounds=parsed.bounds,
        choices=parsed.choices,
        words=parsed.words,
        inner=form_fields(parsed.model) if parsed.shape == "group" and parsed.model else (),
        basic=not extra.get("advanced", position >= BASIC_COUNT),
    )


class _AnnotationShape:
    """Shape, constraints and allowed words of a type annotation."""

    def __init__(self, annotation: Any, metadata: list[Any]) -> None:
        self.constraints = list(metadata)
        self.words: tuple[Any, ...] = ()
        self.choices: tuple[Any, ...] = ()
        self.model: type[BaseModel] | None = None
        self.shape: Shape = "data"
        types = [self._bare(member) for member in _members(annotation)]
        literals = tuple(value for t in types for value in _literals(t))
        others = [t for t in types if not _literals(t) and t is not type(None)]
        if type(None) in types:
            literals = (*literals, None)
        if len(others) == 2 and set(others) == {int, float}:
            others = [float]
        if not others:
            self.shape = "choice" if literals else "data"
            self.choices = literals
        elif len(others) == 1:
            self.words = literals
            self._set_shape(others[0])

    @property
    def is_numeric(self) -> bool:
        return self.shape in ("integer", "number")

    @property
    def bounds(self) -> Bounds:
        bounds = Bounds()
        for rule in self.constraints:
            for part in rule if isinstance(rule, at.GroupedMetadata) else (rule,):
                bounds = _with_constraint(bounds, part)
        return bounds

    def _bare(self, member: Any) -> Any:
        if get_origin(member) is Annotated:
            bare, *metadata = get_args(member)
            for item in metadata:
                self.constraints += item.metadata if isinstance(item, FieldInfo) else [item]
            return bare
        return member

    def _set_shape(self, annotation: Any) -> None:
        simple: dict[Any, Shape] = {
            bool: "switch",
            int: "integer",
            float: "number",
            str: "text",
        }
        if annotation in simple:
            self.shape = simple[annotation]
            if self.words and self.shape in ("switch", "text"):
                self.shape = "data"
        elif isinstance(annotation, type) and issubclass(annotation, Enum):
            self.shape, self.choices = "choice", tuple(member.value for member in annotation)
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            self.shape = "data" if self.words else "group"
            self.model = annotation
        elif PriorChoice in get_args(annotation):
            self.shape = "priors"


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return tuple(m for a in get_args(annotation) for m in _members(a))
    return (annotation,)


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _with_constraint(bounds: Bounds, rule: Any) -> Bounds:
    if isinstance(rule, at.Ge):
        return Bounds(_number(rule.ge), bounds.high, False, bounds.high_open)
    if isinstance(rule, at.Gt):
        return Bounds(_number(rule.gt), bounds.high, True, bounds.high_open)
    if isinstance(rule, at.Le):
        return Bounds(bounds.low, _number(rule.le), bounds.low_open, False)
    if isinstance(rule, at.Lt):
        return Bounds(bounds.low, _number(rule.lt), bounds.low_open, True)
    return bounds


def _number(value: Any) -> float:
    return float(TypeAdapter(float).validate_python(value))


def _unit(description: str) -> str:
    return next((unit for pattern, unit in _UNITS if re.search(pattern, description, re.I)), "")
