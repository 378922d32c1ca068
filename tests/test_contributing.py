"""CONTRIBUTING.md names folders and files that exist and hold what it says."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from markdown_for_tests import sections
from unblur.renamed import ATTRIBUTES, OPTIONS, PARAMS, PRINTED_KEYS, REPORT_KEYS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def rows(section: str) -> list[list[str]]:
    """Return the cells of the table in a section, without its head."""
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


TASKS = rows(sections(PAGE, 2)["Which file to open"])


def names_in(file: Path) -> set[str]:
    """Return the classes, functions and constants at the top level, and methods as `Class.name`."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
            methods = (child for child in node.body if isinstance(child, ast.FunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def test_there_are_ten_tasks():
    assert len(TASKS) == 10


@pytest.mark.parametrize(("task", "file", "name"), TASKS, ids=[row[0] for row in TASKS])
def test_the_file_of_a_task_holds_the_name(task, file, name):
    assert name.strip("`") in names_in(ROOT / file.strip("`"))


def test_the_equation_that_is_named_is_cited_in_its_file():
    (file,) = [row[1].strip("`") for row in TASKS if "Dong" in row[0]]
    assert "Dong Eq. 12" in (ROOT / file).read_text("utf-8")


FOLDERS = {
    "Folders": ROOT,
    "Inside `core/unblur`": ROOT / "core/unblur",
    "Inside `core/unblur/engine`": ROOT / "core/unblur/engine",
}


@pytest.mark.parametrize("title", FOLDERS)
def test_every_module_of_a_map_exists_and_none_is_left_out(title):
    home = FOLDERS[title]
    level = 2 if title == "Folders" else 3
    found = rows(sections(PAGE, level)[title].split("\n### ")[0])
    named = [name for row in found for name in re.findall(r"`([^`]+)`", row[0])]
    for name in named:
        assert list(home.glob(name.rstrip("/"))), name
    if home != ROOT:
        entries = {
            p.name for p in home.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
        }
        listed = {name.rstrip("/") for name in named}
        assert entries - {"__init__.py", "__main__.py"} == listed


def test_the_files_of_the_rules_exist():
    for name in re.findall(r"`((?:tests|core|plugins|docs|benchmarks)/[\w/.]+)`", PAGE):
        assert (ROOT / name).exists(), name


# The table of renamed names in the changelog.

RENAMED = rows(sections((ROOT / "CHANGELOG.md").read_text("utf-8"), 3)["Changed: names"])


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def successors(where: str) -> dict[str, str]:
    """Return old names and their successors: of a stage or trainer, or of all other tables."""
    if where in PARAMS:
        return PARAMS[where]
    last = {row.rpartition(".")[2]: new for row, new in ATTRIBUTES.items()}
    return {**last, **OPTIONS, **REPORT_KEYS, **PRINTED_KEYS["run"]}


@pytest.mark.parametrize(("where", "old", "new"), RENAMED, ids=[f"{r[0]} {r[1]}" for r in RENAMED])
def test_the_changelog_renames_as_the_code_does(where, old, new):
    for place in [code for code in codes(where) if code in PARAMS] or [""]:
        known = successors(place)
        for before, after in zip(codes(old), codes(new), strict=True):
            assert known[before] == after, (place, before)


def test_the_changelog_lists_every_param_option_and_key():
    listed = {name for row in RENAMED for name in codes(row[1])}
    params = {old for names in PARAMS.values() for old in names}
    assert not {*params, *OPTIONS, *REPORT_KEYS, *PRINTED_KEYS["run"]} - listed


def test_coverage_leaves_out_the_modules_that_numba_compiles():
    """Numba cannot compile the probes that the coverage puts into a function."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    omitted = set(settings["tool"]["slipcover"]["omit"].split(","))
    compiled = {
        str(path.relative_to(ROOT))
        for folder in ("core", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^\s*@(compiled|subroutine|inlined)$", path.read_text("utf-8"), re.M)
    }
    assert omitted == compiled
