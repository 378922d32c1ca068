"""A disk that is full, and a folder that is read-only: what is said, and what is left behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

from unblur.io.tiff.writer import TiffWriter
from unblur.runs.run_lock import RunLock

pytestmark = pytest.mark.needs_torch

FULL = OSError(errno.ENOSPC, "No space left on device")


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def fail(*arguments, **options):
    raise FULL


@pytest.fixture
def given(halve, files):
    return ("run", halve, files / "grey.tif", "-o", files / "out.tif", "--psf", files / "psf.tif")


def test_a_result_that_does_not_fit_leaves_no_files_beside_it(unblur, files, given, monkeypatch):
    before = contents(files)
    with monkeypatch.context() as patch:
        patch.setattr(TiffWriter, "write", fail)
        said = unblur(*given, status=1)
        assert "out.tif cannot be written: no space left on device; free some space" in said.err
    assert contents(files) == before
    unblur(*given)  # once there is space, without --overwrite


@pytest.mark.parametrize("place", ["image", "report"])
def test_what_is_to_be_overwritten_stays_if_the_new_does_not_fit(
    unblur, files, given, monkeypatch, place
):
    unblur(*given)
    before = contents(files)
    with monkeypatch.context() as patch:
        if place == "image":
            patch.setattr(TiffWriter, "write", fail)
        else:
            patch.setattr("unblur.runs.sidecars._as_json", fail)
        unblur(*given, "--overwrite", "--seed", 3, status=1)
    assert contents(files) == before


def test_a_report_that_does_not_fit_leaves_no_kernel(unblur, files, given, monkeypatch):
    before = contents(files)
    with monkeypatch.context() as patch:
        patch.setattr("unblur.runs.sidecars._as_json", fail)
        unblur(*given, status=1)
    assert contents(files) == before


def test_tiles_that_do_not_fit_are_kept_and_the_command_names_resume(
    unblur, files, given, monkeypatch
):
    from unblur.engine.job import SizeLimits
    from unblur.io.region_writers import ScratchRegions

    monkeypatch.setattr("unblur.engine.job.DEFAULT_LIMITS", SizeLimits(streamed=0))
    tiled = (*given, "--tile", 32, "--workers", 1)
    with monkeypatch.context() as patch:
        patch.setattr(ScratchRegions, "finish", fail)
        said = unblur(*tiled, status=1)
        assert "no space left" in said.err.lower()
        assert "finished tiles are kept; --resume continues the run" in said.err
    unblur(*tiled, "--resume")


def test_no_space_for_the_lock_leaves_no_folder(unblur, files, given, monkeypatch):
    before = contents(files)
    with monkeypatch.context() as patch:
        acquire = RunLock.acquire

        def acquired(path):
            acquire(path)
            raise FULL

        patch.setattr(RunLock, "acquire", acquired)
        said = unblur(*given, status=1)
    assert "out.tif cannot be written: no space left on device; free some space" in said.err
    assert contents(files) == before
    assert not list(files.glob(".*"))


def as_other_user():
    """Return the begin of a command that runs without root's right to write everywhere."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, or another user than root")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def test_a_read_only_folder_and_an_unreadable_file_are_named(files, halve):
    locked, secret = files / "locked", files / "secret.png"
    locked.mkdir(mode=0o555)
    shutil.copy(files / "grey.png", secret)
    secret.chmod(0)
    command = [*as_other_user(), sys.executable, "-m", "unblur", "run", "wiener", "--psf",
               str(files / "psf.tif")]  # fmt: skip
    cases = [
        ([files / "grey.png", "-o", locked / "a.png"], "a.png cannot be written: no permission"),
        ([files / "grey.png", "-o", locked / "sub/"], "sub cannot be written: permission denied"),
        ([secret, "-o", files / "a.png"], "secret.png cannot be opened: permission denied"),
    ]
    for arguments, words in cases:
        given = [*command, *map(str, arguments)]
        if str(arguments[-1]).endswith("sub"):
            given[-1] += "/"
        done = subprocess.run(given, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert words in done.stderr
    assert list(locked.iterdir()) == []
