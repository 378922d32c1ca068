"""The table of symbols at the head of each paper's plugin, checked against the plugin's files.

The table stands in the docstring of the package, under the line "Symbols": one row for each
symbol of the paper with its name in the code (several are joined by ", "), its equation, tagged
with the first author, and the function or class that holds it, by its path within the package, or
by its full path where it stands in another one.
"""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

PAPERS = {
    "unblur_discriminative": "Li",
    "unblur_kotera": "Kotera",
    "unblur_schuler": "Schuler",
    "unblur_selfdeblur": "Ren",
    "unblur_svmap": "Dong",
}
"""First author of the paper of each plugin."""
HEADER = ["symbol", "name in code", "equation", "function"]
EQUATION = r"(?:Eqs?\.|Sec\.|Algorithm|Table) \d+(?:\.\d+)*"


class Row(NamedTuple):
    """One row of a table."""

    symbol: str
    names: str
    equation: str
    function: str


def table(package):
    """Return the rows of the table in a package's docstring."""
    lines = inspect.getdoc(import_module(package)).splitlines()
    start = lines.index("Symbols")
    rules = [n for n, line in enumerate(lines) if n > start and re.fullmatch(r"=+( +=+)+", line)]
    header, *rest = lines[rules[0] + 1 : rules[2]]
    assert re.split(r"\s{2,}", header) == HEADER
    assert rest[0] == lines[rules[0]] == lines[rules[2]], "the three rules are equal"
    return [Row(*re.split(r"\s{2,}", line.strip())) for line in rest[1:]]


def resolve(package, path):
    """Return the module and the function or class at a path within a package, or at a full path."""
    parts = path.split(".")
    if not parts[0].startswith("unblur"):
        parts = [package, *parts]
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
            continue
        found = module
        for part in parts[end:]:
            found = getattr(found, part)
        return module, found
    raise AssertionError(f"no module of {path}")


def identifiers(function):
    """Return every identifier in the source of a function or class, strings and comments apart."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name"):
            if isinstance(getattr(node, field, None), str):
                yield getattr(node, field)


TABLES = [package for package in PAPERS if "\nSymbols\n" in inspect.getdoc(import_module(package))]
ROWS = [pytest.param(p, row, id=f"{p}-{row.symbol}") for p in TABLES for row in table(p)]


def test_every_paper_has_a_table():
    assert list(PAPERS) == TABLES


@pytest.mark.parametrize("package", TABLES)
def test_a_table_has_six_to_ten_symbols(package):
    rows = table(package)
    assert 6 <= len(rows) <= 10
    assert len({row.symbol for row in rows}) == len(rows)


@pytest.mark.parametrize(("package", "row"), ROWS)
def test_the_name_of_a_symbol_is_in_the_function_of_its_row(package, row):
    _, function = resolve(package, row.function)
    assert set(row.names.split(", ")) <= set(identifiers(function))


@pytest.mark.parametrize(("package", "row"), ROWS)
def test_the_file_of_a_function_cites_the_equation_with_the_author(package, row):
    module, _ = resolve(package, row.function)
    assert re.fullmatch(rf"{PAPERS[package]} {EQUATION}", row.equation)
    assert re.search(re.escape(row.equation) + r"(?![\d.]*\d)", inspect.getsource(module))


@pytest.mark.parametrize("package", TABLES)
def test_every_equation_in_a_plugin_is_tagged_with_its_first_author(package):
    for file in sorted(Path(import_module(package).__path__[0]).rglob("*.py")):
        text = " ".join(file.read_text(encoding="utf-8").replace("#", " ").split())
        cited = re.findall(r"(\S+) Eqs?\. \d+", text)
        assert [author for author in cited if not re.fullmatch(r"\(?[A-Z][a-z]+", author)] == []
