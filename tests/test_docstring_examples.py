"""Every example in a docstring of the core, the plugins and the napari widget runs as shown."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE_FOLDERS = [ROOT / "core", ROOT / "plugins", ROOT / "napari_plugin"]
PROMPT = re.compile(r"^\s*>>>(?: |$)", re.MULTILINE)
MIN_EXAMPLES = 202
"""Least number of examples in the source: as many as there were when this test was added."""


def source_files(folder: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the file of every module below `folder`; imports none of them."""
    for info in sorted(pkgutil.iter_modules([str(folder)]), key=lambda info: info.name):
        name = f"{prefix}{info.name}"
        if info.ispkg:
            yield name, folder / info.name / "__init__.py"
            yield from source_files(folder / info.name, f"{name}.")
        else:
            yield name, folder / f"{info.name}.py"


PROMPTS = {
    name: len(PROMPT.findall(file.read_text("utf-8")))
    for folder in SOURCE_FOLDERS
    for name, file in source_files(folder)
}


def test_the_source_holds_at_least_as_many_examples_as_before():
    assert sum(PROMPTS.values()) >= MIN_EXAMPLES


@pytest.mark.parametrize("module_name", [name for name, count in PROMPTS.items() if count])
def test_the_examples_of_a_module_run(module_name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tests = doctest.DocTestFinder().find(importlib.import_module(module_name))
    found = sum(len(test.examples) for test in tests)
    assert found == PROMPTS[module_name], "a prompt outside of the docstrings that doctest finds"
    runner = doctest.DocTestRunner()
    output: list[str] = []
    failed = sum(runner.run(test, out=output.append).failed for test in tests)
    assert failed == 0, "".join(output)
