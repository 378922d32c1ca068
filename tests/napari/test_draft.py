"""Editing a pipeline, the entries of the pipeline menu, and the equivalent command."""

from __future__ import annotations

import shlex

import pytest

from napari_unblur.model.catalogue import (
    broken_entries,
    recent_entries,
    registered_entries,
    with_recent,
)
from napari_unblur.model.command import run_command
from napari_unblur.model.draft import Draft, DraftStep, missing_stage
from unblur.errors import UsageError
from unblur.pipeline import RECOMMENDED, Pipeline

TEXT = """\
summary: For tests.
steps:
  - kernel: guess
    params: {size: 9}
  - deconvolve: sharpen
  - postprocess: limit
tiles: {size: 512}
"""


def draft(text=TEXT):
    return Draft.of(Pipeline.parse(text, "test"), "test.yaml")


def test_an_untouched_draft_is_the_pipeline():
    assert draft().pipeline() == Pipeline.parse(TEXT, "test")
    assert not draft().is_edited


def test_new_steps_are_added_at_the_position_of_their_kind():
    bare = draft("summary: x\nsteps:\n  - postprocess: limit\n")
    extended = bare.with_added("deconvolve", "sharpen").with_added("kernel", "guess")
    assert [s.kind for s in extended.with_added("postprocess", "limit").steps] == [
        "kernel",
        "deconvolve",
        "postprocess",
        "postprocess",
    ]
    assert extended.is_edited
    assert not extended.same_stages
    extended.pipeline()


def test_a_deconvolver_without_estimator_needs_a_psf():
    assert not draft().needs_psf
    assert draft().without_step(0).needs_psf
    assert not draft().without_step(0).has_kernel_step


def test_missing_stages_are_named(registry):
    absent = Pipeline.parse("summary: x\nsteps:\n  - deconvolve: magic\n", "test")
    reason = missing_stage(absent, registry)
    assert "'magic' (deconvolve)" in reason
    assert "shiny_cuda" in reason
    assert missing_stage(Pipeline.parse(TEXT, "test"), registry) == ""


def test_the_menu_lists_pipelines_recent_files_and_broken_plugins(registry, pipeline_file):
    good = pipeline_file(TEXT, "good.yaml")
    bad = pipeline_file("summary: x\nsteps:\n  - deconvolve: magic\n", "bad.yaml")
    recent = recent_entries(registry, [good, bad, "/nowhere/gone.yaml"])
    lines = [*registered_entries(registry), *recent, *broken_entries(registry)]
    assert lines[0].key == RECOMMENDED
    listed = {entry.key: entry for entry in lines}
    assert "wiener" in listed
    assert listed["wiener"].needs_psf
    assert listed[good].group == "Recent files"
    assert not listed[good].problem
    assert "magic" in listed[bad].problem
    assert "/nowhere/gone.yaml" not in listed
    assert listed["shiny"].group == "Broken plugins"
    assert "shiny_cuda" in listed["shiny"].problem


def test_recent_files_are_limited_and_unique():
    recent = ["a", "b"]
    for name in "cdefgha":
        recent = with_recent(recent, name)
    assert recent == ["a", "h", "g", "f", "e", "d"]


def test_the_command_sets_and_quotes_edited_params():
    step = DraftStep("deconvolve", "sharpen", {"iterations": 7, "mode": "careful"})
    line = run_command(draft().with_step(1, step), image="/data/my cells.tif", device="cpu", seed=3)
    assert shlex.split(line) == [
        "unblur", "run", "test.yaml", "/data/my cells.tif",
        "-o", "/data/my cells-deblurred.tif",
        "--set", "deconvolve.iterations=7", "--set", "deconvolve.mode=careful",
        "--device", "cpu", "--seed", "3",
    ]  # fmt: skip


def test_the_settings_of_the_command_reproduce_the_draft():
    step = DraftStep(
        "kernel", "guess", {"size": 11, "priors": [{"prior": "energy", "weight": 0.1}]}
    )
    edited = draft().with_step(0, step)
    words = shlex.split(run_command(edited, image="a.tif"))
    settings = [words[i + 1].partition("=") for i, w in enumerate(words) if w == "--set"]
    import yaml

    given = {key: yaml.safe_load(value) for key, _, value in settings}
    assert edited.origin.override(given) == edited.pipeline()


def test_a_draft_with_other_steps_has_no_command():
    with pytest.raises(UsageError, match="save the pipeline"):
        run_command(draft().without_step(2), image="a.tif")


@pytest.mark.parametrize(
    ("image", "output"),
    [
        ("cells.ome.tif", "cells-deblurred.ome.tif"),
        ("a.b.png", "a.b-deblurred.png"),
        ("plate.ome.zarr", "plate-deblurred.ome.zarr"),
        ("noname", "noname-deblurred.tif"),
    ],
)
def test_the_output_is_beside_the_input(image, output):
    assert f"-o {output}" in run_command(draft(), image=image)
