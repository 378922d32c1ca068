"""`unblur run` where one image decides for others, and where an image has holes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unblur.engine import BuiltPipeline
from unblur.engine.job import DEFAULT_LIMITS, SizeLimits
from unblur.engine.tiles import planning
from unblur.io import read_image, read_kernel, write_image
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.model.stages import Estimate, KernelEstimator
from unblur.pipeline import Pipeline
from unblur.plugins.manager import registry
from unblur.runs import FileJob, RunOptions, SharedFreeze, deblur_file
from unblur.runs.file import freeze_on


class ByWidth(KernelEstimator):
    """A box of 5 pixels for wide images, of 3 for narrow ones."""

    name = "by-width"
    summary = "Guess from the width."

    def estimate(self, blurred, context, mask=None):
        edge = 5 if blurred.shape[-1] > 40 else 3
        return Estimate.of(Kernel(np.ones((edge, edge))))


@pytest.fixture
def blind(monkeypatch, files):
    """Return a pipeline that finds kernels by width, and a wide and a narrow image."""
    monkeypatch.setitem(registry().stages, ("kernel", "by-width"), ByWidth)
    path = files / "blind.yaml"
    path.write_text("summary: T.\nsteps:\n  - kernel: by-width\n  - deconvolve: wiener\n")
    texture = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    for name, width in (("1-wide", 50), ("2-narrow", 36)):
        write_image(Image(texture[:, :width], "YX"), files / f"{name}.tif")
    return path, files / "1-wide.tif", files / "2-narrow.tif"


def kernel_of(out, name):
    return read_kernel(out / f"{name}.psf.tif").mean.shape


def test_each_image_decides_for_itself_unless_the_first_is_to(unblur, blind, files):
    unblur("run", *blind, "-o", files / "each")
    assert kernel_of(files / "each", "1-wide") == (5, 5)
    assert kernel_of(files / "each", "2-narrow") == (3, 3)
    unblur("run", *blind, "-o", files / "all", "--freeze")
    assert kernel_of(files / "all", "2-narrow") == kernel_of(files / "all", "1-wide") == (5, 5)
    report = json.loads((files / "all" / "2-narrow.json").read_text())
    assert "frozen on" in report["kernel"]["origin"]
    assert "1-wide.tif" in report["kernel"]["origin"]


def test_a_resumed_batch_keeps_what_the_first_image_decided(unblur, blind, files):
    out = files / "all"
    unblur("run", *blind, "-o", out, "--freeze")
    for part in out.glob("2-narrow*"):
        part.unlink()
    said = unblur("run", *blind, "-o", out, "--freeze", "--resume", "--json")
    assert len(json.loads(said.out)["skipped"]) == 1
    assert kernel_of(out, "2-narrow") == (5, 5)


def test_images_in_tiles_share_what_a_finished_image_decides(blind, files):
    pipeline, wide, narrow = blind
    options = RunOptions(
        BuiltPipeline.of(Pipeline.load(str(pipeline))),
        Context(),
        shared_freeze=SharedFreeze(),
        limits=SizeLimits(streamed=10),
    )
    freeze_on(wide, options)
    deblur_file(FileJob(narrow, files / "2-narrow-out.tif"), options)
    assert kernel_of(files, "2-narrow-out") == (5, 5)


def test_the_next_image_decides_if_the_first_cannot_be_read(unblur, blind, files):
    pipeline, wide, narrow = blind
    wide.write_bytes(b"II*\0")
    unblur("run", pipeline, wide, narrow, "-o", files / "all", "--freeze", status=1)
    assert kernel_of(files / "all", "2-narrow") == (3, 3)


def test_holes_are_filled_on_request(unblur, files):
    given = read_image(files / "grey.tif").data.astype(np.float32)
    given[10:13, 20:22] = np.nan
    write_image(Image(given, "YX"), files / "holes.tif")
    known = (files / "wiener.yaml", files / "holes.tif", "--psf", files / "psf.tif")
    unblur("run", *known, "-o", files / "kept.tif")
    unblur("run", *known, "-o", files / "filled.tif", "--fill-nonfinite")
    assert np.array_equal(np.isnan(read_image(files / "kept.tif").data), np.isnan(given))
    assert np.isfinite(read_image(files / "filled.tif").data).all()


def test_a_run_does_what_the_plan_says(unblur, files, monkeypatch):
    # The memory decides about an image of more pixels than this, which need not be a large one.
    monkeypatch.setitem(vars(DEFAULT_LIMITS), "unplanned", 2**16)
    texture = np.random.default_rng(0).integers(0, 65535, (300, 290), dtype=np.uint16)
    write_image(Image(texture, "YX"), files / "large.tif")
    known = (files / "wiener.yaml", files / "large.tif", "--psf", files / "psf.tif")
    with monkeypatch.context() as patch:
        for limit in ("BUDGET", "TILES_BUDGET", "PER_WORKER"):
            patch.setattr(planning, limit, 3 * 10**6)
        plan = json.loads(unblur("plan", *known, "--json").out)
        unblur("run", *known, "-o", files / "out.tif")
    tiles = json.loads((files / "out.json").read_text())["tiles"]
    assert plan["way"] == "streamed"
    assert (plan["tiles"], plan["tile_size"]) == (tiles["count"], tiles["size"])
    assert plan["tiles"] > 1
    assert json.loads(unblur("plan", *known, "--json").out)["way"] == "whole"
    unblur("run", *known, "-o", files / "out.tif", "--overwrite")
    assert json.loads((files / "out.json").read_text())["tiles"] is None
