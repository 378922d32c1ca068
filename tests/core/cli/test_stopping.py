"""Long work: Ctrl-C, tile by tile, resumed, on a cluster of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from unblur.engine import BuiltPipeline
from unblur.engine.job import SizeLimits
from unblur.io import read_image, read_kernel
from unblur.model.context import Context
from unblur.pipeline import Pipeline
from unblur.plugins.manager import registry
from unblur.runs import FileJob, RunOptions, deblur_file, file


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# Ctrl-C.

SLOW = """
    import sys, time
    from unblur.cli import main
    from unblur.plugins.manager import registry
    from unblur.model.stages import Deconvolver

    class Slow(Deconvolver):
        name, summary = "slow", "Waits."
        def deconvolve(self, blurred, kernel, context, mask=None):
            print("waiting", flush=True)
            for _ in context.track(range(600), "waiting"):
                time.sleep(0.05)
            return blurred / 2
        def halo(self, kernel):
            return (0, 0)

    registry().stages["deconvolve", "slow"] = Slow
    main(sys.argv[1:])
"""


def test_ctrl_c_stops_soon_and_leaves_nothing_half_written(files):
    (files / "slow.yaml").write_text("summary: x\nsteps: [{deconvolve: slow}]\n")
    before = names(files)
    arguments = ["run", "slow.yaml", "grey.tif", "-o", "out.tif", "--psf", "psf.tif"]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW), *arguments],
        cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - asked < 10
    assert "stopping after this step" in err
    assert "Traceback" not in err
    assert names(files) == before


def test_a_batch_keeps_what_was_done_before_ctrl_c(unblur, halve, files, monkeypatch):
    done: list[Path] = []
    real = file.deblur_file

    def counted(job, options):
        result = real(job, options)
        done.append(job.output)
        os.kill(os.getpid(), signal.SIGINT)
        return result

    assert threading.current_thread() is threading.main_thread()
    monkeypatch.setattr(file, "deblur_file", counted)
    said = unblur(
        "run", halve, files / "grey.tif", files / "colour.png", "-o", files / "out",
        "--psf", files / "psf.tif", "--json", status=130,
    )  # fmt: skip
    assert len(done) == 1
    assert done[0].exists()
    assert len(json.loads(said.out)["done"]) == 1
    assert "stopped" in said.err


def stop_at_the_end(monkeypatch, number, calls):
    """Send a signal to this process when `calls` images or tiles were deblurred."""
    done = []
    stage = registry().stages["deconvolve", "halve"]
    real = stage.deconvolve

    def counted(self, *arguments, **options):
        result = real(self, *arguments, **options)
        done.append(None)
        if len(done) == calls:
            os.kill(os.getpid(), number)
        return result

    assert threading.current_thread() is threading.main_thread()
    monkeypatch.setattr(stage, "deconvolve", counted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_signal_the_command_names_resume_which_keeps_the_tiles(
    unblur, halve, files, monkeypatch, number
):
    monkeypatch.setattr("unblur.engine.job.DEFAULT_LIMITS", SizeLimits(streamed=0))
    given = ("run", halve, files / "grey.tif", "-o", files / "out.tif", "--psf",
             files / "psf.tif", "--tile", 32, "--workers", 1)  # fmt: skip
    stop_at_the_end(monkeypatch, number, 2)
    said = unblur(*given, status=130)
    assert "finished tiles are kept; --resume continues the run" in said.err
    unblur(*given, "--resume")
    tiles = json.loads((files / "out.json").read_text())["tiles"]
    assert 0 < tiles["resumed"] < tiles["count"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_signal_the_command_names_resume_which_keeps_the_files(
    unblur, halve, files, monkeypatch, number
):
    given = ("run", halve, files / "grey.tif", files / "colour.png", "-o", files / "out", "--psf",
             files / "psf.tif")  # fmt: skip
    stop_at_the_end(monkeypatch, number, 2)
    said = unblur(*given, status=130)
    assert "1 of 2 inputs is done; --resume keeps it and continues." in said.err
    again = unblur(*given, "--resume")
    assert "1 of 2 inputs were done before" in again.err


# Tile by tile.


@pytest.mark.parametrize("name", ["grey.tif", "colour.png"])
def test_a_streamed_image_is_that_done_whole(halve, files, name):
    pipeline = Pipeline.load(halve).override({"tiles.size": 32})
    known = (BuiltPipeline.of(pipeline, read_kernel(files / "psf.tif")), Context())
    whole, tiled = files / f"whole-{name}", files / f"tiled-{name}"
    deblur_file(FileJob(files / name, whole), RunOptions(*known))
    deblur_file(FileJob(files / name, tiled), RunOptions(*known, limits=SizeLimits(streamed=0)))
    assert np.array_equal(read_image(whole).data, read_image(tiled).data)
    report = json.loads((files / f"tiled-{Path(name).stem}.json").read_text())
    assert report["tiles"]["count"] == 4
    assert report["given_kernel"] == RunOptions(*known).given_kernel is not None
    assert not [path for path in files.iterdir() if path.name.startswith(".")]


def test_a_cluster_of_this_machine_gives_the_same(unblur, files):
    given = ("run", files / "wiener.yaml", files / "grey.tif", "--psf", files / "psf.tif")
    unblur(*given, "--tile", 32, "-o", files / "threads.tif")
    unblur(*given, "--tile", 32, "-o", files / "local.tif", "--scheduler", "local", "--workers", 1)
    a, b = (read_image(files / f"{name}.tif").data for name in ("threads", "local"))
    assert np.abs(a.astype(int) - b).max() <= 2


def test_a_scheduler_that_is_none(unblur, files):
    given = ("run", files / "wiener.yaml", files / "grey.tif", "--psf", files / "psf.tif")
    said = unblur(*given, "-o", files / "o.tif", "--scheduler", "slurm", status=2)
    assert "a scheduler is threads, local" in said.err


def test_a_scheduler_that_is_not_installed_leaves_nothing_behind(unblur, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.chdir(files)
    before = names(files)
    arguments = ["run", "wiener", "grey.tif", "-o", "out.tif", "--psf", "psf.tif"]
    said = unblur(*arguments, "--scheduler", "local", status=2)
    assert "install the extra 'hpc'" in said.err
    assert names(files) == before
