"""Errors inside plugins: the command names the plugin, and does not ask for a report to unblur."""

import subprocess
import sys
import types

import pytest

from unblur.plugins.manager import registry

pytestmark = pytest.mark.needs_torch

CODE = """
import sys
from unblur.model.formats import Reader
from unblur.model.stages import Deconvolver

class Failing(Deconvolver):
    name, summary = "failing", "Fails."
    action = "raise"
    def deconvolve(self, blurred, kernel, context, mask=None):
        if self.action == "exit":
            sys.exit(7)
        if self.action == "core":
            blurred.reshape(5, 5, 5, 5)
        if self.action == "nan":
            return blurred * float("nan")
        raise ValueError("too few stars")
    def halo(self, kernel):
        return (1, 1)

class Reading(Reader):
    name = "abc"
    suffixes = (".abc",)
    def read(self, path, *, axes=None, lazy=False):
        if path.stat().st_size == 1:
            sys.exit("no licence")
        raise ValueError("no header")
"""


@pytest.fixture
def plugin(monkeypatch):
    """Return the module of a plugin `foreign`, registered as one that is installed."""
    module = types.ModuleType("foreign_package")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(CODE, "foreign_package.py", "exec"), vars(module))
    found = registry()
    monkeypatch.setitem(found.stages, ("deconvolve", "failing"), module.Failing)
    monkeypatch.setitem(found.readers, "abc", module.Reading)
    monkeypatch.setitem(found.origins, module.Failing, "foreign")
    monkeypatch.setitem(found.origins, module.Reading, "foreign")
    return module


@pytest.fixture
def pipeline(plugin, tmp_path):
    path = tmp_path / "failing.yaml"
    path.write_text("summary: x\nsteps: [{deconvolve: failing}]\n")
    return path


NAMED = "plugin 'foreign' (package foreign_package)"


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("raise", f"{NAMED} failed in Failing.deconvolve (ValueError: too few stars); please rep"),
        ("core", f"{NAMED} failed in Failing.deconvolve (RuntimeError: shape"),
        ("exit", f"{NAMED} ended the program (SystemExit: 7) in Failing.deconvolve"),
        ("nan", "deconvolve 'failing' returned only NaN and infinite values"),
    ],
)
def test_an_error_inside_a_stage_names_its_plugin(
    unblur, files, plugin, pipeline, monkeypatch, action, words
):
    monkeypatch.setattr(plugin.Failing, "action", action)
    said = unblur("run", pipeline, files / "grey.tif", "-o", files / "out.tif", "--psf",
                  files / "psf.tif", status=1)  # fmt: skip
    assert words in said.err
    assert NAMED in said.err
    assert "this should not happen" not in said.err
    assert not (files / "out.tif").exists()


@pytest.mark.parametrize(("content", "words"), [
    (b"x", f"{NAMED} ended the program (SystemExit: no licence) in Reading.read"),
    (b"xx", "cannot be read as ABC (no header); the file may be damaged"),
])  # fmt: skip
def test_a_reader_that_fails_names_its_plugin_and_the_batch_goes_on(
    unblur, files, plugin, halve, content, words
):
    (files / "in.abc").write_bytes(content)
    said = unblur("run", halve, files / "in.abc", files / "grey.tif", "-o", files / "out", "--psf",
                  files / "psf.tif", status=1)  # fmt: skip
    assert words in said.err
    assert NAMED in said.err
    assert "1 of 2 inputs failed" in said.err
    assert (files / "out/grey.tif").exists()


def test_an_error_of_unblur_itself_still_asks_for_a_report(unblur, files, halve, monkeypatch):
    def broken(self, *arguments):
        raise ValueError("of our own")

    monkeypatch.setattr("unblur.engine.steps.block.BlockProcessor.run", broken)
    said = unblur("run", halve, files / "grey.tif", "-o", files / "out.tif", "--psf",
                  files / "psf.tif", status=1)  # fmt: skip
    assert "this should not happen, please report it (ValueError: of our own)" in said.err


def test_a_plugin_that_ends_the_program_while_it_is_loaded_is_left_out(monkeypatch):
    from importlib import metadata

    from unblur.plugins.manager import collect, plugin_manager

    class Entry:
        name = "rude"

        def load(self):
            sys.exit(3)

    monkeypatch.setattr(metadata, "entry_points", lambda group: [Entry()])
    found = collect(plugin_manager())
    assert [str(broken) for broken in found.broken] == ["plugin 'rude': SystemExit: 3"]


def test_a_closed_pipe_is_no_fault_of_a_plugin():
    command = f"{sys.executable} -m unblur report --help | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "plugin" not in done.stderr
