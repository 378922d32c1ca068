import json

import jsonschema
import pytest

from stages_for_tests import ALL
from unblur.errors import ParamsError, PipelineError, UsageError, suggestion
from unblur.pipeline import MAX_FILE_BYTES, Pipeline
from unblur.pipeline_schema import json_schema
from unblur.plugins.manager import collect, plugin_manager, register
from unblur.plugins.markers import hook

TEXT = """\
summary: A chain of all kinds.
steps:
  - kernel: flat
    params: {size: 5}
  - deconvolve: copy
  - postprocess: double
tiles: {size: 512, kernel: local}
"""


@pytest.fixture(scope="module")
def known():
    class Plugin:
        @staticmethod
        @hook
        def unblur_stages():
            return ALL

    manager = plugin_manager(load_installed=False)
    register(manager, Plugin, "tests")
    return collect(manager)


def test_a_pipeline_survives_writing_and_reading():
    pipeline = Pipeline.parse(TEXT, "chain.yaml")
    assert Pipeline.parse(pipeline.dump(), "again") == pipeline
    assert pipeline.tiles.size == 512


def test_building_validates_names_and_params(known):
    stages = Pipeline.parse(TEXT, "chain.yaml").build(known)
    assert [s.name for s in stages] == ["flat", "copy", "double"]
    assert stages[0].params.size == 5
    with pytest.raises(UsageError, match="did you mean 'double'"):
        Pipeline.parse(TEXT.replace("double", "duble"), "x").build(known)
    with pytest.raises(ParamsError, match="'size' is 500"):
        Pipeline.parse(TEXT.replace("5}", "500}"), "x").build(known)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [", "not a plain YAML file"),
        ("just words", "mapping with 'summary' and 'steps'"),
        ("summary: x\nstep: []", "no key 'step'; did you mean 'steps'"),
        ("summary: x\nsteps: []", "at least 1"),
        ("summary: x\nsteps:\n  - {kernel: a, deconvolve: b}", "a step names one of"),
        ("summary: x\nsteps:\n  - {kernal: a}", "no param 'steps.0.kernal'; did you mean 'kernel'"),
        (
            "summary: x\nsteps: [{kernel: a}]\ntiles: {sise: 64}",
            "'tiles.sise'; did you mean 'size'",
        ),
        ("summary: x\nsteps:\n  - kernel: a\n  - kernel: b", "one kernel step at most"),
        ("summary: x\nsteps:\n  - deconvolve: a\n  - kernel: b", "comes before"),
        ("summary: x\nsteps: [{deconvolve: a}]\ntiles: {size: 8}", "at least 32"),
        ("summary: !!python/object/apply:os.system ['true']", "not a plain YAML file"),
        ("a: &a [1, 2]\nsummary: *a", "aliases are not allowed"),
        ("x" * (MAX_FILE_BYTES + 1), "at most"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_it(text, message):
    with pytest.raises(PipelineError, match=message) as error:
        Pipeline.parse(text, "bad.yaml")
    assert str(error.value).startswith("bad.yaml: ")
    assert "\n" not in str(error.value)


def test_settings_override_params_by_kind_or_by_name():
    pipeline = Pipeline.parse(TEXT, "x")
    changed = pipeline.override({"kernel.size": 31, "double.factor": 3, "tiles.size": 64})
    assert changed.steps[0].params == {"size": 31}
    assert changed.steps[2].params == {"factor": 3}
    assert changed.tiles.size == 64
    assert pipeline.steps[0].params == {"size": 5}


@pytest.mark.parametrize("key", ["kernal.size", "size", "kernel"])
def test_an_override_that_fits_nothing_is_refused(key):
    with pytest.raises(UsageError, match="names no param of this pipeline"):
        Pipeline.parse(TEXT, "x").override({key: 1})


NESTED = """\
summary: Priors inside a stage.
steps:
  - kernel: mixed
    params: {priors: [{prior: energy, weight: 1.0}, {prior: energy, weight: 2.0}]}
"""


def test_building_validates_the_priors_that_a_stage_holds(known):
    Pipeline.parse(NESTED, "x").build(known)
    with pytest.raises(UsageError, match="did you mean 'energy'"):
        Pipeline.parse(NESTED.replace("{prior: energy", "{prior: enrgy"), "x").build(known)
    with pytest.raises(ParamsError, match="no param 'p'"):
        Pipeline.parse(NESTED.replace("2.0", "2.0, params: {p: 1}"), "x").build(known)


def test_a_setting_reaches_into_a_list():
    pipeline = Pipeline.parse(NESTED, "x")
    changed = pipeline.override({"kernel.priors.1.weight": 0.5, "kernel.priors.0.params.p": 3})
    first, second = changed.steps[0].params["priors"]
    assert first == {"prior": "energy", "weight": 1.0, "params": {"p": 3}}
    assert second == {"prior": "energy", "weight": 0.5}
    assert pipeline.steps[0].params["priors"][1]["weight"] == 2.0


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("kernel.priors.2.weight", "member '2' of a list of 2.*from 0 to 1"),
        ("kernel.priors.last.weight", "member 'last' of a list"),
        ("kernel.others.0.weight", "leaves at its default; state 'others' as a whole"),
    ],
)
def test_a_setting_of_no_member_of_a_list_is_refused(key, message):
    with pytest.raises(UsageError, match=message):
        Pipeline.parse(NESTED, "x").override({key: 1})


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(PipelineError, match="cannot be read"):
        Pipeline.load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PipelineError, match="cannot be read as text"):
        Pipeline.load(tmp_path / "binary.yaml")


def test_whether_a_psf_must_be_brought():
    assert Pipeline.parse("summary: x\nsteps: [{deconvolve: copy}]", "x").needs_psf
    assert not Pipeline.parse(TEXT, "x").needs_psf


def test_the_schema_accepts_what_we_accept_and_refuses_what_we_refuse(known):
    schema = json.loads(json_schema(known))
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"summary": "x", "steps": [{"kernel": "flat", "params": {"size": 5}}]}
    jsonschema.validate(good, schema)
    for bad in (
        {"summary": "x", "steps": [{"kernel": "nobody"}]},
        {"summary": "x", "steps": [{"kernel": "flat", "params": {"size": 0}}]},
        {"summary": "x", "steps": [{"kernel": "flat", "params": {"sizes": 1}}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_the_schema_of_no_stage_at_all_is_a_valid_one():
    empty = collect(plugin_manager(load_installed=False))
    schema = json.loads(json_schema(empty))
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.needs_torch
def test_the_schema_lists_the_registered_priors_with_their_params():
    schema = json.loads(json_schema())
    step = {"kernel": "map", "params": {"priors": [{"prior": "l0-gradient", "weight": 0.1}]}}
    jsonschema.validate({"summary": "x", "steps": [step]}, schema)
    for change in ({"prior": "l0-gradien"}, {"params": {"nobody": 1}}):
        choice = {**step["params"]["priors"][0], **change}
        bad = {"summary": "x", "steps": [{"kernel": "map", "params": {"priors": [choice]}}]}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_only_a_near_name_is_suggested():
    assert suggestion("wienner", ["wiener", "tv"]) == "; did you mean 'wiener'?"
    assert suggestion("median", ["denoise", "dering", "clip"]) == ""
