"""Markdown tables of the files under `benchmarks/results`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

MISSING = "not measured yet"
NEVER = "not measured"


class ResultFiles:
    """The result files of a folder, and the names of those read since the last `sources()`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: list[str] = []

    def read(self, name: str) -> Any:
        """Return the content of `NAME.json`, or None if there is no such file.

        The words of a name may be joined by hyphens or by underscores.
        """
        names = [name]
        if not name.startswith("race-"):  # comparisons of earlier versions have another form
            names += [name.replace("_", "-"), name.replace("-", "_")]
        name = next((n for n in names if (self.folder / f"{n}.json").exists()), "")
        if not name:
            return None
        if name not in self.used:
            self.used.append(name)
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """Return the rows of a file; none if it is missing."""
        content = self.read(name) or []
        if not isinstance(content, Mapping):
            return list(content)
        if "pipelines" in content:  # as `unblur bench` writes it
            return [{"pipeline": p["name"], **p["mean"]} for p in content["pipelines"]]
        return list(content.get("rows", [content]))

    def means(self, name: str, pipeline: str) -> Mapping[str, Any] | None:
        """Return the means of a pipeline in a file of `unblur bench`."""
        content = self.read(name) or {"pipelines": []}
        found = (p["mean"] for p in content["pipelines"] if p["name"] == pipeline)
        return next(found, None)

    def sources(self) -> str:
        """Return a list of the files read since the last call."""
        lines = [f"- {self.source(name)}" for name in self.used]
        self.used.clear()
        return "\n".join(lines)

    def source(self, name: str) -> str:
        """Return device, seed, date, versions and command of a file."""
        content = self.read(name)
        facts = content if isinstance(content, Mapping) else next(iter(content), {})
        parts = [str(facts[key]) for key in ("device", "date") if facts.get(key)]
        if "seed" in facts:
            parts.append(f"seed {facts['seed']}")
        versions = dict(facts.get("versions", {}))
        versions |= {
            key: facts[key] for key in ("unblur", "torch") if isinstance(facts.get(key), str)
        }
        parts += [f"{key} {value}" for key, value in versions.items()]
        command = f", by `{facts['command']}`" if facts.get("command") else ""
        text = ", ".join(parts) or "the file states neither device nor date"
        remark = "" if name.startswith("race-") else facts.get("remark", "")  # shown there already
        return f"`benchmarks/results/{name}.json`: {text}{command}. {remark}".rstrip()


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def quality(row: Mapping[str, Any] | None, missing: str = MISSING) -> str:
    """Return PSNR and SSIM of a row, or `missing` without one."""
    return missing if row is None else f"{row['psnr']:.2f} / {row['ssim']:.4f}"


def grouped(rows: Sequence[Mapping[str, Any]], by: str, keys: Sequence[str]) -> list[list[object]]:
    """Return a row for each value of `by`: the number of rows with it, and the means of `keys`."""
    values = sorted({row[by] for row in rows})
    same = [[row for row in rows if row[by] == value] for value in values]
    return [
        [value, len(group), *(f"{mean(row[key] for row in group):.3f}" for key in keys)]
        for value, group in zip(values, same, strict=True)
    ]


def plain(results: ResultFiles, name: str) -> str:
    """Return the rows of a file as a table with all their columns."""
    rows = [flat(row) for row in results.rows(name)]
    if not rows:
        return f"{MISSING.capitalize()} (`{name}.json`)."
    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns = [c for c in columns if any(row.get(c) not in (None, "") for row in rows)]
    return table(columns, ([cell(row.get(column)) for column in columns] for row in rows))


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without lists, with one column for each entry of a mapping."""
    cells: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            cells |= {f"{key}, {name}": entry for name, entry in value.items()}
        elif not isinstance(value, list):
            cells[key] = value
    return cells


def cell(value: object) -> str:
    """Return a value as text: four digits, empty for None."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
