"""Editing a pipeline, listing pipelines, and the command that does the same."""

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
from unblur.pipeline import Pipeline

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


def test_new_steps_go_where_their_kind_belongs():
    bare = draft("summary: x\nsteps:\n  - postprocess: limit\n")
    grown = bare.adding("deconvolve", "sharpen").adding("kernel", "guess")
    assert [s.kind for s in grown.adding("postprocess", "limit").steps] == [
        "kernel",
        "deconvolve",
        "postprocess",
        "postprocess",
    ]
    assert grown.is_edited
    assert not grown.same_stages
    grown.pipeline()


def test_what_needs_a_psf():
    assert not draft().needs_psf
    assert draft().without_step(0).needs_psf
    assert not draft().without_step(0).has_kernel_step


def test_a_pipeline_whose_stage_nobody_provides_says_so(known):
    absent = Pipeline.parse("summary: x\nsteps:\n  - deconvolve: magic\n", "test")
    reason = missing_stage(absent, known)
    assert "'magic' (deconvolve)" in reason
    assert "shiny_cuda" in reason
    assert missing_stage(Pipeline.parse(TEXT, "test"), known) == ""


def test_the_menu_lists_pipelines_recent_files_and_broken_plugins(known, pipeline_file):
    good = pipeline_file(TEXT, "good.yaml")
    bad = pipeline_file("summary: x\nsteps:\n  - deconvolve: magic\n", "bad.yaml")
    recent = recent_entries(known, [good, bad, "/nowhere/gone.yaml"])
    lines = [*registered_entries(known), *recent, *broken_entries(known)]
    listed = {entry.key: entry for entry in lines}
    assert "wiener" in listed
    assert listed["wiener"].needs_psf
    assert listed[good].group == "Recent files"
    assert not listed[good].problem
    assert "magic" in listed[bad].problem
    assert "/nowhere/gone.yaml" not in listed
    assert listed["shiny"].group == "Broken plugins"
    assert "shiny_cuda" in listed["shiny"].problem


def test_recent_files_are_few_and_each_once():
    recent = ["a", "b"]
    for name in "cdefgha":
        recent = with_recent(recent, name)
    assert recent == ["a", "h", "g", "f", "e", "d"]


def test_command_sets_what_changed_and_quotes_it():
    step = DraftStep("deconvolve", "sharpen", {"iterations": 7, "mode": "careful"})
    line = run_command(
        draft().with_step(1, step), source="/data/my cells.tif", device="cpu", seed=3
    )
    assert shlex.split(line) == [
        "unblur", "run", "test.yaml", "/data/my cells.tif",
        "-o", "/data/my cells-deblurred.tif",
        "--set", "deconvolve.iterations=7", "--set", "deconvolve.mode=careful",
        "--device", "cpu", "--seed", "3",
    ]  # fmt: skip


def test_command_overrides_reproduce_the_draft():
    step = DraftStep("kernel", "guess", {"size": 11, "priors": [{"prior": "quiet", "weight": 0.1}]})
    edited = draft().with_step(0, step)
    words = shlex.split(run_command(edited, source="a.tif"))
    settings = [words[i + 1].partition("=") for i, w in enumerate(words) if w == "--set"]
    import yaml

    given = {key: yaml.safe_load(value) for key, _, value in settings}
    assert edited.origin.override(given) == edited.pipeline()


def test_command_refuses_what_the_line_cannot_say():
    with pytest.raises(UsageError, match="save the pipeline"):
        run_command(draft().without_step(2), source="a.tif")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("cells.ome.tif", "cells-deblurred.ome.tif"),
        ("a.b.png", "a.b-deblurred.png"),
        ("plate.ome.zarr", "plate-deblurred.ome.zarr"),
        ("noname", "noname-deblurred.tif"),
    ],
)
def test_output_lies_beside_the_input(source, output):
    assert f"-o {output}" in run_command(draft(), source=source)
