"""Keeping what a benchmark of the engine measured: a JSON file and a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance import provenance

RESULTS = Path(__file__).resolve().parent / "results"

Row = Mapping[str, Any]


def keep(name: str, title: str, rows: Sequence[Row], remark: str = "", seed: int | str = 0) -> None:
    """Write `results/NAME.json` and `results/NAME.md`, and print the table.

    Parameters
    ----------
    name : str
        Name of the files, without a suffix.
    title : str
        Heading of the table.
    rows : sequence of mapping
        Values by column; all rows have the columns of the first.
    remark : str
        What the reader has to know of how it was measured.
    seed : int or str
        The seed of all that is drawn, or how seeds are given.
    """
    facts = {"title": title, **provenance(seed), "remark": remark}
    table = markdown(rows)
    RESULTS.mkdir(exist_ok=True)
    content = json.dumps({**facts, "rows": list(rows)}, indent=1)
    (RESULTS / f"{name}.json").write_text(content + "\n", encoding="utf-8")
    parts = [f"# {title}", table, remark, f"{facts['device']}, {facts['date']}."]
    page = "\n\n".join(part for part in parts if part)
    (RESULTS / f"{name}.md").write_text(
        f"{page}\n\n```\n{facts['command']}\n```\n", encoding="utf-8"
    )
    print(table)


def kept(name: str, key: str, rows: Sequence[Row]) -> list[Row]:
    """Return the rows of an earlier result whose `key` is none of that of `rows`."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return []
    new = {row[key] for row in rows}
    earlier = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return [row for row in earlier if row[key] not in new]


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table in Markdown, numbers to the right."""
    columns = list(rows[0])
    numeric = [isinstance(rows[0][column], int | float) for column in columns]
    lines = [columns, ["---:" if number else "---" for number in numeric]]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
