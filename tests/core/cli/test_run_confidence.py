"""`unblur run` on a kernel with a confidence: what is printed, and what a low one proposes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unblur.io import write_image
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.model.stages import Estimate
from unblur.plugins.manager import registry


@pytest.fixture
def confident(monkeypatch):
    """Return a function that gives each estimate of `map` a confidence."""

    def give(confidence, **choices):
        def estimate(self, blurred, context, mask=None):
            kernel = Kernel(np.ones((5, 5)))
            return Estimate.of(kernel, confidence=confidence, choices=choices)

        monkeypatch.setattr(registry().stages["kernel", "map"], "estimate", estimate)

    return give


@pytest.fixture
def photo(tmp_path):
    """Return a function that writes an image of dark texture, with clipped lights if wanted."""

    def write(*, lights=False):
        values = np.random.default_rng(0).integers(0, 120, (80, 90), dtype=np.uint8)
        if lights:
            values[20:24, 30:34] = 255
        path = tmp_path / f"photo-{lights}.png"
        write_image(Image(values, "YX"), path)
        return path

    return write


def test_the_summary_has_the_confidence(unblur, confident, photo, tmp_path):
    confident(0.9349)
    given = ("run", "map-hyper-laplacian", photo(), "-o", tmp_path / "sharp.png", "--overwrite")
    said = unblur(*given)
    assert "(kernel 5x5, confidence 0.93, " in said.out
    assert "confidence " not in said.err
    (entry,) = json.loads(unblur(*given, "--json").out)["done"]
    assert entry["confidence"] == 0.935
    assert json.loads((tmp_path / "sharp.json").read_text())["kernel"]["confidence"] == 0.935
    unblur("report", tmp_path / "sharp.png")
    assert "<li>confidence <b>0.93 (high)</b></li>" in (tmp_path / "sharp.html").read_text("utf-8")


def test_the_summary_has_what_was_chosen(unblur, confident, photo, tmp_path):
    confident(0.9, text="65 % of paper")
    given = ("run", "map-hyper-laplacian", photo(), "-o", tmp_path / "sharp.png", "--overwrite")
    assert "(kernel 5x5, confidence 0.90, text, " in unblur(*given).out
    (entry,) = json.loads(unblur(*given, "--json").out)["done"]
    assert entry["choices"] == {"text": "65 % of paper"}


def test_an_unknown_confidence_is_null(unblur, confident, photo, tmp_path):
    confident(None)
    given = ("run", "map-hyper-laplacian", photo(), "-o", tmp_path / "sharp.png", "--overwrite")
    assert "confidence " not in unblur(*given).out
    (entry,) = json.loads(unblur(*given, "--json").out)["done"]
    assert entry["confidence"] is None


@pytest.mark.parametrize(
    ("pipeline", "lights", "others"),
    [
        ("map-hyper-laplacian", False, "photograph, text"),
        ("map-hyper-laplacian", True, "photograph, text, low-light"),
        ("text", True, "photograph, low-light"),
        ("low-light", True, "photograph, text"),
    ],
)
def test_a_low_confidence_is_one_line_and_no_failure(
    unblur, confident, photo, tmp_path, pipeline, lights, others
):
    confident(0.21)
    source = photo(lights=lights)
    # With another param than the file's, it is still the pipeline of that name.
    changed = ("--set", "map.iterations=3", "--set", "kernel.median=3")
    said = unblur(
        "run", pipeline, source, "-o", tmp_path / "sharp.png", *changed, "--device", "cpu", status=0
    )
    lines = [line for line in said.err.splitlines() if "confidence" in line]
    assert lines == [
        f"unblur: {source}: confidence 0.21: the blur was probably not found, and the result may "
        "be no better than the image; try a kernel size near the extent of the streaks "
        f"(--set kernel.size=31) or another pipeline ({others})."
    ]
    assert "confidence 0.21, " in said.out
