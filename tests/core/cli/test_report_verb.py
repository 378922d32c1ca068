"""`unblur report` on what `unblur run` wrote."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def result(unblur, halve, files):
    out = files / "out" / "sharp.tif"
    out.parent.mkdir()
    unblur(
        "run", halve, files / "grey.tif", "-o", out, "--psf", files / "psf.tif",
        "--crop", "4:36,10:50",
    )  # fmt: skip
    return out


def test_the_page_finds_input_kernel_and_account(unblur, result):
    said = unblur("report", result)
    page = result.with_suffix(".html")
    assert said.out.strip() == str(page)
    text = page.read_text("utf-8")
    assert "Halve it." in text
    assert text.count("data:image/png") == 5
    assert "7 × 7 px, given" in text


def test_an_existing_page_stays_unless_told(unblur, result):
    unblur("report", result)
    assert "exists" in unblur("report", result, status=1).err
    unblur("report", result, "--overwrite", "-q")


def test_several_results_make_one_page(unblur, result, files):
    unblur("report", result, result, "-o", files / "all.html")
    assert "2 results" in (files / "all.html").read_text("utf-8")


def test_a_moved_input_is_asked_for(unblur, result, files):
    (files / "grey.tif").rename(files / "moved.tif")
    said = unblur("report", result, status=1)
    assert "no longer there; name it with --before" in said.err
    unblur("report", result, "--before", files / "moved.tif")


def test_what_does_not_go_together_is_refused(unblur, result, files):
    told = unblur("report", result, "--before", files / "colour.png", status=1).err
    assert "name the right input with --before" in told
    assert "there is no report beside it" in unblur("report", files / "grey.tif", status=1).err
    assert "one result" in unblur("report", result, result, "--before", "x", status=2).err
    (result.parent / "sharp.json").write_text("[]")
    assert "sharp.json" in unblur("report", result, status=1).err
    (result.parent / "sharp.json").write_text("{")
    assert "sharp.json" in unblur("report", result, status=1).err
    assert not list(files.rglob("*.html"))


def test_the_account_alone_is_plain_json(result):
    report = json.loads((result.parent / "sharp.json").read_text("utf-8"))
    assert report["input_file"] == "../grey.tif"
    assert report["output_file"] == "sharp.tif"


def test_a_pattern_names_several_results(unblur, result, files):
    assert (files / "out" / "sharp.psf.tif").exists()  # no result, and left out
    unblur("report", files / "out" / "*.tif", "-o", files / "all.html")
    assert "no file matches" in unblur("report", files / "out" / "*.jpg", status=2).err
