"""The code in a Markdown text, for the tests that run it."""

from __future__ import annotations

import re


def code_blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of one language; those that include another file are left out."""
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [block for block in found if "--8<--" not in block]


def sections(text: str, level: int) -> dict[str, str]:
    """Return the text under each heading of that level, up to the next one of it or above."""
    found: dict[str, str] = {}
    current, in_code = None, False
    for line in text.splitlines(keepends=True):
        in_code ^= line.startswith("```")
        marks, _, title = line.partition(" ")
        if not in_code and title and marks in ["#" * n for n in range(1, level + 1)]:
            current = title.strip() if len(marks) == level else None
        if current is not None:
            found[current] = found.get(current, "") + line
    return found
