"""The command itself: help, version, what it imports, how it ends."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest
import typer

from unblur import __version__
from unblur.cli import app
from unblur.cli.console import format_error, name_file_in_errors, one_line, status_of
from unblur.errors import Cancelled, ImageError, KernelError, OutputError, ParamsError

VERBS = [
    "run",
    "plan",
    "check",
    "list",
    "info",
    "schema",
    "psf",
    "blur",
    "bench",
    "train",
    "report",
]


def python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_help_names_every_verb_and_a_first_step(unblur):
    said = unblur("--help")
    assert all(re.search(rf"\b{verb}\b", said.out) for verb in VERBS)
    assert "unblur run photograph photo.jpg -o sharp.png" in said.out


@pytest.mark.parametrize("verb", [*VERBS, "psf check", "psf make"])
def test_help_of_each_verb_shows_an_example(unblur, verb):
    said = unblur(*verb.split(), "--help")
    if verb != "psf":
        assert f"Example: unblur {verb} " in said.out


def test_version(unblur):
    assert unblur("--version").out.strip() == f"unblur {__version__}"


def test_without_a_verb_the_help_is_shown(unblur):
    assert "run" in unblur(status=None).out


def test_an_unknown_verb_is_bad_usage_with_a_suggestion(unblur):
    said = unblur("rnu", status=2)
    assert "rnu" in said.err


@pytest.mark.serial
def test_help_imports_nothing_heavy_and_starts_at_once():
    done = python(
        """
        import resource, sys
        from unblur.cli import main
        try:
            main(["--help"])
        except SystemExit as end:
            assert end.code == 0
        heavy = {"torch", "numpy", "scipy", "pydantic", "dask", "zarr", "pluggy", "yaml"}
        print("loaded:", *sorted(heavy & set(sys.modules)))
        used = resource.getrusage(resource.RUSAGE_SELF)
        print("seconds:", used.ru_utime + used.ru_stime)
        """
    )
    assert re.search(r"^loaded:$", done.stdout, re.MULTILINE)
    assert float(done.stdout.rpartition("seconds:")[2]) < 0.5


def test_the_package_itself_imports_little():
    done = python(
        """
        import sys
        before = set(sys.modules)
        import unblur
        unneeded = {"importlib.metadata", "importlib.resources", "json", "numpy", "tempfile"}
        print("loaded:", *sorted((set(sys.modules) - before) & unneeded))
        """
    )
    assert re.search(r"^loaded:$", done.stdout, re.MULTILINE)


@pytest.mark.serial
def test_a_run_imports_torch_and_what_its_pipeline_uses(files):
    done = python(
        f"""
        import sys
        from unblur.cli import main
        try:
            main(["run", "wiener", "{files}/grey.tif", "--psf", "{files}/psf.tif", "-o",
                  "{files}/quick.tif"])
        except SystemExit as end:
            assert not end.code
        heavy = {{"scipy.fft", "scipy.interpolate", "scipy.ndimage", "scipy.special", "astropy",
                 "dask", "matplotlib", "numba", "pandas", "xarray", "zarr"}}
        unused = (".stage", ".estimator", ".trainer", ".richardson_lucy", ".hyper_laplacian")
        print("heavy:", *sorted(heavy & set(sys.modules)))
        print("stages:", *sorted(name for name in sys.modules if name.endswith(unused)))
        """
    )
    assert re.search(r"^heavy:$", done.stdout, re.MULTILINE)
    assert re.search(r"^stages:$", done.stdout, re.MULTILINE)


def test_the_module_runs_as_the_command():
    command = [sys.executable, "-m", "unblur", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"unblur {__version__}"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ParamsError("x"), 2),
        (ImageError("x"), 1),
        (KernelError("x"), 1),
        (Cancelled(), 130),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), 1),
    ],
)
def test_status_of_errors(error, status):
    assert status_of(error) == status


def test_sentences_are_one_line_whatever_went_wrong():
    assert format_error(ImageError("two\n  lines")) == "two lines"
    assert "a.tif: no space left" in format_error(OSError(28, "No space left", "a.tif"))
    assert "--tile" in format_error(MemoryError())
    assert "report it (ZeroDivisionError: by\\n0)" in format_error(ZeroDivisionError("by\\n0"))
    assert one_line(" a\n\tb ") == "a b"


def test_about_names_the_file_once_and_keeps_the_kind():
    with pytest.raises(KernelError, match=r"^psf\.tif: is bad$"), name_file_in_errors("psf.tif"):
        raise KernelError("is bad")
    with pytest.raises(KernelError, match=r"^psf\.tif is bad$"), name_file_in_errors("psf.tif"):
        raise KernelError("psf.tif is bad")
    with pytest.raises(OutputError, match=r"^out is taken$"), name_file_in_errors("in.tif"):
        raise OutputError("out is taken")


def test_debug_lets_the_error_through(unblur, files):
    with pytest.raises(ImageError):
        unblur("--debug", "plan", files / "wiener.yaml", files / "no.png")


def test_a_fault_of_our_own_is_one_line_too(unblur, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("unblur.pipeline_schema.json_schema", broken)
    said = unblur("schema", status=1)
    assert said.err.count("\n") == 1
    assert "ZeroDivisionError: oops" in said.err
    assert "Traceback" not in said.err


def test_every_verb_is_documented_and_has_typed_help():
    command = typer.main.get_command(app)
    assert sorted(command.commands) == sorted(VERBS)
    for name, verb in command.commands.items():
        assert verb.help or verb.short_help, name
        for option in verb.params:
            assert getattr(option, "help", "x"), f"{name}: {option.name}"


def test_readers_are_listed_without_their_libraries():
    done = python(
        """
        import sys
        from unblur.plugins.manager import registry
        registry()
        libraries = {"czifile", "liffile", "nd2", "rawpy", "tifffile"}
        print("imported:", *sorted(libraries & set(sys.modules)))
        """
    )
    assert re.search(r"^imported:$", done.stdout, re.MULTILINE)
