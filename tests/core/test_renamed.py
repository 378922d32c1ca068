"""Old public names are read for one release, with a note that names the new one."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from importlib import import_module
from inspect import signature
from types import FunctionType

import numpy as np
import pytest
import typer
from click.testing import CliRunner
from pydantic import BaseModel

import unblur
from unblur import old_names, renamed
from unblur.cli.app import app
from unblur.errors import UsageError
from unblur.model.stages import KernelEstimator, Params
from unblur.old_names import (
    OldNameWarning,
    current_laws,
    current_options,
    current_params,
    current_report,
    with_old_keys,
)
from unblur.old_names.imports import add_old_names
from unblur.pipeline import Pipeline
from unblur.plugins import registry
from unblur.renamed import (
    ATTRIBUTES,
    LAWS,
    MODULES,
    NAMES,
    OPTIONS,
    PARAMS,
    PRINTED_KEYS,
    REPORT_KEYS,
)
from unblur.testing import LAWS as PRESENT_LAWS

PARAM_ROWS = [(stage, old, new) for stage, rows in PARAMS.items() for old, new in rows.items()]


# Modules and what they hold.


@pytest.mark.parametrize("old", sorted(MODULES))
def test_a_module_is_importable_under_its_old_name(old, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(OldNameWarning, match=MODULES[old]):
        module = import_module(old)
    assert module is import_module(MODULES[old])


def test_a_submodule_of_a_renamed_package_is_importable():
    with pytest.warns(OldNameWarning, match=r"numerics\.metrics\.fidelity"):
        module = import_module("unblur.metrics.fidelity")
    assert module is import_module("unblur.numerics.metrics.fidelity")


@pytest.mark.parametrize("old", sorted(NAMES))
def test_a_function_or_class_is_found_under_its_old_name(old):
    home, _, name = old.partition(":")
    successor, _, new = NAMES[old].partition(":")
    assert name not in vars(import_module(home))
    with pytest.warns(OldNameWarning, match=rf"{successor}\.{new}"):
        found = getattr(import_module(home), name)
    assert found is getattr(import_module(successor), new)


# Attributes of classes.


def class_of(row):
    home, _, path = row.partition(":")
    cls, _, old = path.partition(".")
    return getattr(import_module(home), cls), old, ATTRIBUTES[row]


def is_field(cls, name):
    if issubclass(cls, BaseModel):
        return name in cls.model_fields
    return is_dataclass(cls) and name in {field.name for field in fields(cls)}


def is_function(row):
    return isinstance(class_of(row)[0], FunctionType)


@pytest.mark.parametrize("row", sorted(ATTRIBUTES))
def test_an_attribute_is_read_under_its_old_name(row):
    cls, old, new = class_of(row)
    if is_function(row):
        pytest.skip("keywords of functions are set alone")
    value = object()
    assert is_field(cls, new) or hasattr(cls, new) or new in cls.__annotations__
    if issubclass(cls, BaseModel):
        found = cls.model_construct(**{new: value})
    else:
        plain = type(cls.__name__, (cls,), {new: value, "__abstractmethods__": frozenset()})
        plain.__abstractmethods__ = frozenset()
        found = object.__new__(plain)
    with pytest.warns(OldNameWarning, match=new):
        assert getattr(found, old) is value


@pytest.mark.parametrize("row", sorted(ATTRIBUTES))
def test_an_attribute_is_set_under_its_old_name(row):
    cls, old, new = class_of(row)
    value = object()
    if is_function(row):
        assert new in signature(cls).parameters
        with (
            pytest.warns(OldNameWarning, match=new),
            pytest.raises(TypeError, match="^(?!.*unexpected keyword)"),
        ):
            cls(**{old: value})
        with pytest.raises(TypeError, match="alone"):
            cls(**{old: value, new: value})
        return
    if issubclass(cls, BaseModel):
        pytest.skip("the table of report keys reads it")
    if not is_field(cls, new):
        with pytest.warns(OldNameWarning, match=new):
            subclass = type(cls.__name__, (cls,), {old: value})
        assert getattr(subclass, new) is value
        return
    with pytest.warns(OldNameWarning, match=new):
        assert old_names.current_keywords(cls, {old: value}) == {new: value}
    with pytest.raises(TypeError, match=f"alone|{new}"):
        cls(**{old: value, new: value})


def test_a_subclass_that_overrides_an_old_method_still_reaches_the_method_of_its_base(monkeypatch):
    class Base:
        def calibrate(self):
            return ["base"]

    monkeypatch.setitem(renamed.ATTRIBUTES, f"{__name__}:Base.settled", "calibrate")
    monkeypatch.setattr(sys.modules[__name__], "Base", Base, raising=False)
    add_old_names(sys.modules[__name__])
    with pytest.warns(OldNameWarning, match="calibrate"):

        class Old(Base):
            def settled(self):
                return [*super().settled(), "old"]

    with pytest.warns(OldNameWarning, match="calibrate"):
        assert Old().calibrate() == ["base", "old"]


# Params.


@pytest.fixture
def renamed_param(monkeypatch):
    """A stage one of whose params was renamed, and one of whose values."""

    class Example(KernelEstimator):
        name = "example"
        summary = "A stage of the test."

        class Params(Params):
            width: int = 3
            area: str = "whole"
            priors: tuple[dict, ...] = ()

        def estimate(self, blurred, context, mask=None):
            raise NotImplementedError

    rows = {"reach": "width", "area=telling": "area=textured"}
    monkeypatch.setitem(renamed.PARAMS, "example", rows)
    return Example


def test_a_param_is_read_under_its_old_name(renamed_param):
    with pytest.warns(OldNameWarning, match=r"example\.width"):
        assert renamed_param(reach=5).params == renamed_param(width=5).params
    with pytest.warns(OldNameWarning, match=r"area=textured"):
        assert renamed_param(area="telling").params.area == "textured"
    with pytest.raises(UsageError, match="'reach' is the old name of 'width'; state 'width' alone"):
        renamed_param(reach=5, width=5)


def test_a_pipeline_is_read_with_an_old_param_and_notes_the_new_one(renamed_param):
    text = "summary: S.\nsteps:\n  - kernel: example\n    params: {reach: 5, area: telling}\n"
    with pytest.warns(OldNameWarning):
        pipeline = Pipeline.parse(text, "file")
    assert pipeline.steps[0].params == {"width": 5, "area": "textured"}
    assert [note.split(";")[0] for note in pipeline.notes] == [
        "'example.reach' is now called 'example.width'",
        "'example.area=telling' is now called 'example.area=textured'",
    ]
    assert pipeline.override({"kernel.width": 7}).notes == pipeline.notes


def test_a_setting_replaces_a_param_under_either_of_its_names(renamed_param):
    text = "summary: S.\nsteps:\n  - kernel: example\n    params: {width: 5}\n"
    pipeline = Pipeline.parse(text, "file")
    assert pipeline.notes == ()
    with pytest.warns(OldNameWarning, match=r"example\.width"):
        changed = pipeline.override({"kernel.reach": 7})
    assert changed.steps[0].params == {"width": 7}
    assert len(changed.notes) == 1


def test_the_params_of_a_prior_inside_a_step_are_renamed(renamed_param):
    given = {"priors": [{"prior": "example", "weight": 1, "params": {"reach": 5}}]}
    with pytest.warns(OldNameWarning, match=r"example\.width"):
        params, notes = current_params("other", given)
    assert params["priors"][0] == {"prior": "example", "weight": 1, "params": {"width": 5}}
    assert len(notes) == 1


def classes_named(name):
    """Return the stages of a name, or the training behind the word `train`."""
    if name.startswith("train "):
        return [registry().trainer(name.removeprefix("train "))]
    return [cls for (_, own), cls in registry().stages.items() if own == name]


@pytest.mark.parametrize(("stage", "old", "new"), PARAM_ROWS)
def test_every_renamed_param_is_one_of_its_stage(stage, old, new):
    old, _, old_value = old.partition("=")
    new, _, new_value = new.partition("=")
    (cls,) = (cls for cls in classes_named(stage) if new in cls.Params.model_fields)
    value = new_value or cls.Params.model_fields[new].get_default(call_default_factory=True)
    with pytest.warns(OldNameWarning, match=new):
        stated = cls({old: old_value or value}).params
    assert stated == cls({new: value}).params
    if old != new:
        with pytest.raises(UsageError, match=f"state '{new}' alone"):
            cls({old: value, new: value})


# Reports and options.


@pytest.mark.parametrize("old", sorted(REPORT_KEYS))
def test_a_report_is_read_with_an_old_key(old):
    def nested(key):
        value = 5
        for level in reversed(key.split(".")):
            value = {level: value}
        return value

    with pytest.warns(OldNameWarning, match=REPORT_KEYS[old]):
        assert current_report(nested(old)) == nested(REPORT_KEYS[old])


def test_a_report_with_both_keys_is_refused(monkeypatch):
    monkeypatch.setitem(renamed.REPORT_KEYS, "mask.old", "mask.new")
    with (
        pytest.warns(OldNameWarning, match=r"mask\.new"),
        pytest.raises(ValueError, match="the old name of 'mask.new'"),
    ):
        current_report({"mask": {"old": 1, "new": 1}})


@pytest.mark.parametrize("old", sorted(OPTIONS))
def test_the_command_takes_an_old_option_and_prints_the_new_one(old):
    command = typer.main.get_command(app)
    verb = next(
        name
        for name, verb in command.commands.items()
        if any(OPTIONS[old] in option.opts for option in verb.params)
    )
    assert not any(old in option.opts for option in command.commands[verb].params)
    printed = CliRunner().invoke(command, [verb, old, "--help"])
    assert printed.exit_code == 0
    assert f"'{old}' is now called '{OPTIONS[old]}'" in printed.stderr
    both = CliRunner().invoke(command, [verb, old, OPTIONS[old]])
    assert both.exit_code == 2
    assert f"give {OPTIONS[old]} alone" in both.stderr


def test_an_option_is_renamed_with_its_value_and_not_behind_a_double_dash(monkeypatch):
    monkeypatch.setitem(renamed.OPTIONS, "--old", "--new")
    with pytest.warns(OldNameWarning, match="--new"):
        assert current_options(["run", "--old=3", "--", "--old"]) == [
            "run",
            "--new=3",
            "--",
            "--old",
        ]


# Printed keys and names of laws.


@pytest.mark.parametrize("verb", sorted(PRINTED_KEYS))
def test_a_printed_value_is_there_under_its_old_key_too(verb):
    for old, new in PRINTED_KEYS[verb].items():
        assert with_old_keys(verb, {new: 5, "other": 6}) == {new: 5, old: 5, "other": 6}
        assert with_old_keys(verb, {"other": 6}) == {"other": 6}


@pytest.mark.parametrize("old", sorted(LAWS))
def test_a_law_is_exempt_under_its_old_name(old):
    assert LAWS[old] in {law.name for law in PRESENT_LAWS}
    with pytest.warns(OldNameWarning, match=LAWS[old]):
        assert current_laws({old: "reason"}) == {LAWS[old]: "reason"}
    with pytest.raises(ValueError, match="the old name of"):
        current_laws({old: "reason", LAWS[old]: "reason"})


# Arguments of functions.


def test_an_old_argument_of_deblur_is_read_and_warns():
    image = np.ones((8, 8), np.float32)
    image[2, 2], image[4, 4] = np.nan, 0.5
    with pytest.warns(OldNameWarning, match="nonfinite"):
        made = unblur.deblur(image, "wiener", np.ones((3, 3)), device="cpu", holes="fill").image
    assert np.isfinite(made).all()
