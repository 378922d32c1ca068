"""Every row of the tables in docs/formats.md names the test that checks it."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAD = "| format | condition | what happens | test |"
LINES = (ROOT / "docs/formats.md").read_text("utf-8").splitlines()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in LINES
    if line.startswith("| ") and line != HEAD and not line.startswith("| ---")
]


def functions(file: Path) -> set[str]:
    """Return the names of the functions at the top level of a file."""
    body = ast.parse(file.read_text("utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-1].strip("`").rpartition(":")[2])
def test_a_row_states_an_outcome_and_names_an_existing_test(row):
    assert len(row) == 4, row
    assert re.search(r"\*\*(read|kept|refused)\*\*|^written|^valid", row[2]), row
    (test,) = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[3])
    file, name = test
    assert (ROOT / file).is_file(), file
    assert name in functions(ROOT / file), name


def test_every_table_has_the_columns_of_the_page():
    heads = [line for line, below in pairwise(LINES) if below.startswith("| ---")]
    assert heads
    assert set(heads) == {HEAD}


def test_the_page_is_linked():
    assert "docs/formats.md" in (ROOT / "README.md").read_text("utf-8")
    assert "formats.md" in (ROOT / "mkdocs.yml").read_text("utf-8")
