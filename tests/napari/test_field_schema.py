"""Description of forms, derived from the pydantic models of the stages."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError
from stages_for_widget import Guess, Sharpen

from napari_unblur.forms.field_schema import Bounds, changed_values, form_fields
from unblur.model.stages import Params
from unblur.plugins.manager import registry


def fields_of(model):
    return {field.name: field for field in form_fields(model)}


def test_shapes_of_the_usual_types():
    fields = fields_of(Sharpen.Params)
    assert {name: f.shape for name, f in fields.items()} == {
        "iterations": "integer",
        "step": "number",
        "mode": "choice",
        "positive": "switch",
        "noise": "number",
        "pause": "number",
        "taps": "data",
    }
    assert fields["mode"].choices == ("fast", "careful")
    assert fields["noise"].words == (None,)
    assert fields["taps"].default == [1, 2]


def test_bounds_come_from_the_field():
    fields = fields_of(Sharpen.Params)
    assert fields["iterations"].bounds == Bounds(1, 5000)
    assert fields["step"].bounds == Bounds(0, 2, low_open=True, high_open=True)
    assert str(fields["noise"].bounds) == "at least 0"


def test_words_in_place_of_a_number_and_bounds_within_a_union():
    size = fields_of(Guess.Params)["size"]
    assert (size.shape, size.words, size.default) == ("integer", ("auto",), "auto")
    assert size.bounds == Bounds(3, 99)
    assert size.unit == "px"


def test_priors_and_nested_models():
    class Inner(Params):
        depth: int = Field(default=2, description="Depth, in pixels.")

    class Outer(Params):
        inner: Inner = Inner()
        optional: Inner | None = None

    fields = fields_of(Outer)
    assert fields["inner"].shape == "group"
    assert fields["inner"].inner[0].unit == "px"
    assert fields["inner"].default == {"depth": 2}
    assert fields["optional"].shape == "data"
    assert fields_of(Guess.Params)["priors"].shape == "priors"
    assert fields_of(Guess.Params)["priors"].default[0]["prior"] == "energy"


def test_enums_become_menus():
    class Direction(Enum):
        UP = "up"
        DOWN = "down"

    class Model(Params):
        direction: Direction = Direction.UP

    assert fields_of(Model)["direction"].choices == ("up", "down")
    assert fields_of(Model)["direction"].default == "up"


def test_the_tooltip_contains_bounds_and_default():
    tooltip = fields_of(Sharpen.Params)["iterations"].tooltip
    assert "Iterations." in tooltip
    assert "1 to 5000" in tooltip
    assert "Default: 5" in tooltip


def test_advanced_params_are_not_basic():
    class Model(Params):
        first: int = 1
        hidden: Annotated[int, Field(json_schema_extra={"advanced": True})] = 1

    fields = fields_of(Model)
    assert fields["first"].basic
    assert not fields["hidden"].basic
    assert [f.name for f in form_fields(Sharpen.Params) if not f.basic] == [
        "noise",
        "pause",
        "taps",
    ]


def test_only_edited_and_explicit_values_are_kept():
    fields = form_fields(Sharpen.Params)
    values = {field.name: field.default for field in fields}
    assert changed_values(fields, values, {}) == {}
    assert changed_values(fields, {**values, "iterations": 9}, {"step": 0.5}) == {
        "iterations": 9,
        "step": 0.5,
    }


@pytest.mark.parametrize("key", list(registry().stages), ids="-".join)
def test_every_installed_stage_has_a_form_with_its_defaults(key):
    cls = registry().stages[key]
    fields = form_fields(cls.Params)
    assert [field.name for field in fields] == list(cls.Params.model_fields)
    values = {field.name: field.default for field in fields}
    try:
        plain = cls.Params().model_dump(mode="json")
    except ValidationError:
        return  # some params have to be given
    assert values == plain
    assert cls.Params.model_validate(values) == cls.Params()


def test_literal_of_numbers():
    class Model(Params):
        order: Literal[1, 2, 3] = 2

    assert fields_of(Model)["order"].choices == (1, 2, 3)
