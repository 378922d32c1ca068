"""Writing the results of a benchmark: a JSON file and a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance import provenance

RESULTS = Path(__file__).resolve().parent / "results"

Row = Mapping[str, Any]


def write_table(
    name: str,
    title: str,
    rows: Sequence[Row],
    remark: str = "",
    seed: int | str = 0,
    cases: Sequence[Row] = (),
) -> None:
    """Write `results/NAME.json` and `results/NAME.md`, and print the table.

    Parameters
    ----------
    name : str
        Name of the files, without a suffix.
    title : str
        Heading of the table.
    rows : sequence of mapping
        Values by column; a column that a row lacks stays empty.
    remark : str
        Remark on how it was measured.
    seed : int or str
        Seed of all random numbers, or a description of the seeds.
    cases : sequence of mapping
        What the rows summarise; stored in the JSON file alone.
    """
    facts = {"title": title, **provenance(seed), "remark": remark}
    table = markdown(rows)
    RESULTS.mkdir(exist_ok=True)
    facts["rows"] = list(rows)
    if cases:
        facts["cases"] = list(cases)
    content = json.dumps(facts, indent=1)
    (RESULTS / f"{name}.json").write_text(content + "\n", encoding="utf-8")
    parts = [f"# {title}", table, remark, f"{facts['device']}, {facts['date']}."]
    page = "\n\n".join(part for part in parts if part)
    (RESULTS / f"{name}.md").write_text(
        f"{page}\n\n```\n{facts['command']}\n```\n", encoding="utf-8"
    )
    print(table)


def earlier_rows(
    name: str, keys: Sequence[str], rows: Sequence[Row], entry: str = "rows"
) -> list[Row]:
    """Return the stored rows of a result whose values of `keys` occur together in none of `rows`.

    `entry` is the entry of the result's file that holds them, "rows" or "cases".
    """
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return []
    new = {tuple(row[key] for key in keys) for row in rows}
    earlier = json.loads(file.read_text(encoding="utf-8"))[entry]
    return [row for row in earlier if tuple(row[key] for key in keys) not in new]


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table, numbers aligned to the right."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    numeric = [all(isinstance(row.get(c, 0), int | float) for row in rows) for c in columns]
    lines = [columns, ["---:" if number else "---" for number in numeric]]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
