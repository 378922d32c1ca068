"""Verbs that look and change nothing: list, info, schema, check, plan."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from unblur.cli.info import type_of
from unblur.plugins.manager import BrokenPlugin, registry


@pytest.mark.needs_torch
def test_list_shows_stages_pipelines_models_plugins(unblur):
    said = unblur("list")
    for title in ("stages", "pipelines", "models", "formats", "plugins"):
        assert f"\n{title}\n" in f"\n{said.out}"
    assert "wiener" in said.out
    assert not any(line.endswith(" ") for line in said.out.splitlines())


@pytest.mark.needs_torch
def test_list_as_json_says_who_brought_what(unblur):
    stages = json.loads(unblur("list", "stages", "--json").out)["stages"]
    wiener = next(row for row in stages if row["name"] == "wiener")
    assert (wiener["kind"], wiener["plugin"]) == ("deconvolve", "classic")
    pipelines = json.loads(unblur("list", "pipelines", "--json").out)["pipelines"]
    assert next(row for row in pipelines if row["name"] == "wiener")["psf"] == "needed"
    assert next(row for row in pipelines if row["name"] == "map-hyper-laplacian")["psf"] == "no"


def test_list_of_something_else_suggests(unblur):
    assert "did you mean 'stages'?" in unblur("list", "stage", status=2).err


def test_a_broken_plugin_is_told_and_the_rest_is_listed(unblur, monkeypatch):
    broken = [BrokenPlugin("bad", "ImportError: no module named x")]
    monkeypatch.setattr(registry(), "broken", broken)
    said = unblur("list", "plugins")
    assert "broken: ImportError" in said.out
    assert "plugin 'bad': ImportError: no module named x It is left out." in said.err


@pytest.mark.needs_torch
def test_info_on_a_stage_shows_params_bounds_and_paper(unblur):
    said = unblur("info", "wiener")
    assert "wiener deconvolve, from plugin 'classic'" in said.out
    assert "Paper: " in said.out
    assert ">>> " in said.out
    entry = json.loads(unblur("info", "wiener", "--json").out)[0]
    assert all(row["meaning"] for row in entry["params"])


def test_info_on_a_pipeline_shows_its_file(unblur):
    assert "- deconvolve: wiener" in unblur("info", "wiener").out


def test_info_explains_what_messages_point_to(unblur):
    assert "kernel field" in unblur("info", "kernels").out


def test_list_names_the_formats(unblur):
    formats = json.loads(unblur("list", "formats", "--json").out)["formats"]
    tiff = next(row for row in formats if row["name"] == "tiff")
    assert ".tif" in tiff["reads"].split()
    assert ".tif" in tiff["writes"].split()


def test_info_on_nothing_suggests(unblur):
    assert "did you mean 'wiener'?" in unblur("info", "winer", status=2).err


def test_info_on_a_file_names_the_commands_for_files(unblur, tmp_path):
    file = tmp_path / "a.tif"
    file.touch()
    said = " ".join(unblur("info", str(file), status=2).err.split())
    assert f"{file} is a file" in said
    assert "unblur plan PIPELINE" in said


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 99}, "integer 3 to 99"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number > 0, <= 1"),
        ({"anyOf": [{"const": "auto"}, {"type": "integer"}, {"type": "null"}]}, "auto, or integer"),
        ({"enum": ["a", "b"]}, "a or b"),
        ({"$ref": "#/$defs/P"}, "mapping of prior, weight"),
        ({"type": "array", "items": {"$ref": "#/$defs/P"}}, "list of mapping of prior, weight"),
        ({"type": "object"}, "mapping"),
        ({}, "any"),
    ],
)
def test_types_in_words(field, words):
    definitions = {"P": {"type": "object", "properties": {"prior": {}, "weight": {}}}}
    assert type_of(field, definitions) == words


@pytest.mark.needs_torch
def test_schema_accepts_what_check_accepts(unblur, tmp_path):
    schema = json.loads(unblur("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"summary": "x", "steps": [{"deconvolve": "wiener", "params": {}}]}
    bad = {"summary": "x", "steps": [{"deconvolve": "winer"}]}
    for content, status in ((good, 0), (bad, 2)):
        path = tmp_path / "p.yaml"
        path.write_text(yaml.safe_dump(content))
        unblur("check", path, status=status)
        errors = list(jsonschema.Draft202012Validator(schema).iter_errors(content))
        assert bool(errors) == bool(status)


def test_schema_goes_to_a_file_once(unblur, tmp_path):
    path = tmp_path / "schema.json"
    unblur("schema", "-o", path)
    assert json.loads(path.read_text())["title"] == "Pipeline"
    assert "exists" in unblur("schema", "-o", path, status=1).err
    unblur("schema", "-o", path, "--overwrite")


@pytest.mark.needs_torch
def test_check_says_what_a_good_file_does(unblur, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("summary: x\nsteps:\n  - deconvolve: wiener\n")
    assert unblur("check", path).out.strip() == f"{path}: wiener"
    assert unblur("check", path, "--quiet").out == ""
    result = json.loads(unblur("check", path, "--json").out)
    assert result == [{"file": str(path), "valid": True, "steps": ["wiener"], "needs_psf": True}]


BAD_STEPS = {
    "unknown stage": ("steps: [{deconvolve: winer}]", "did you mean 'wiener'?"),
    "unknown param": ("steps: [{deconvolve: wiener, params: {noize: 1}}]", "did you mean 'noise'?"),
    "out of bounds": ("steps: [{deconvolve: wiener, params: {noise: -1}}]", "'noise"),
}
BAD_FILES = {
    "no steps": ("steps: []", "'steps'"),
    "two stages in a step": ("steps: [{deconvolve: wiener, kernel: map}]", "a step names one of"),
    "kernel last": ("steps: [{deconvolve: wiener}, {kernel: map}]", "comes before"),
    "unknown key": ("stepz: []\nsteps: []", "did you mean 'steps'?"),
    "a tag": ("steps: !!python/object/apply:os.system [ls]", "not a plain YAML file"),
    "an alias": ("a: &a [x, x]\nsteps: [*a, *a]", "aliases are not allowed"),
    "not YAML": ("steps: [", "not a plain YAML file"),
    "binary": ("steps: \x00", "not a plain YAML file"),
    "too long": ("steps: [" + "x, " * 50_000 + "x]", "at most"),
}


@pytest.mark.parametrize(
    "case",
    [*BAD_FILES, *(pytest.param(name, marks=pytest.mark.needs_torch) for name in BAD_STEPS)],
    ids=lambda name: name.replace(" ", "-"),
)
def test_check_refuses_in_one_line_with_the_way_out(unblur, tmp_path, case):
    text, expected = {**BAD_FILES, **BAD_STEPS}[case]
    path = tmp_path / "bad.yaml"
    path.write_text(f"summary: x\n{text}\n")
    said = unblur("check", path, status=2)
    assert said.err.count("\n") == 1
    assert said.err.startswith("unblur: ")
    assert str(path) in said.err
    assert expected in said.err


@pytest.mark.needs_torch
def test_check_goes_through_all_files_and_reports_the_bad(unblur, tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("summary: x\nsteps: [{deconvolve: wiener}]\n")
    bad.write_text("summary: x\nsteps: [{deconvolve: nope}]\n")
    said = unblur("check", bad, good, "nosuch", status=2)
    assert said.out.strip() == f"{good}: wiener"
    assert len(said.err.splitlines()) == 2


def test_check_looks_into_nested_priors(unblur, tmp_path):
    estimators = registry().stages_of("kernel")
    if "map" not in estimators:
        pytest.skip("the stage 'map' is not installed")
    path = tmp_path / "p.yaml"
    path.write_text(
        "summary: x\nsteps:\n  - kernel: map\n"
        "    params: {priors: [{prior: l0-gradeint, weight: 1.0e-3}]}\n"
    )
    assert "did you mean 'l0-gradient'?" in unblur("check", path, status=2).err


@pytest.mark.needs_torch
def test_the_plan_of_a_pattern_is_that_of_its_first_file(unblur, files):
    told = unblur("plan", files / "wiener.yaml", files / "g*.tif", "--psf", files / "psf.tif")
    assert "YX 40x52, uint16" in told.out
    (files / "grey2.tif").write_bytes((files / "grey.tif").read_bytes())
    told = unblur("plan", files / "wiener.yaml", files / "g*.tif", "--psf", files / "psf.tif")
    assert "2 files match; the plan is that of the first" in told.err
    missing = unblur("plan", files / "wiener.yaml", files / "no*.tif", status=2)
    assert "no file matches" in missing.err


def test_plan_tells_tiles_and_memory(unblur, files):
    given = ("plan", files / "wiener.yaml", files / "grey.tif", "--psf", files / "psf.tif")
    said = unblur(*given)
    assert "YX 40x52, uint16" in said.out
    assert "peak memory about" in said.out
    made = json.loads(unblur(*given, "--tile", 32, "--json").out)
    assert made["tiles"] == 4
    assert made["tile_size"] == [32, 32]
    assert made["stages"][0]["bytes_per_pixel"] > 0
    assert made["way"] == "tiled"
    assert 0 < made["seconds"] < 60
    assert "time about" in said.out
    assert "YX 36x20" in unblur(*given, "--crop", "4:,:20").out
