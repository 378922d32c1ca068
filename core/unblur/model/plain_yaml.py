"""YAML without anything that could run code or unfold to gigabytes."""

from __future__ import annotations

from typing import Any

import yaml

MAX_DEPTH = 20
"""Largest depth of nested lists and mappings, dimensionless."""


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML of limited depth without aliases, which could unfold a small file to gigabytes."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed here", mark)
        if self._depth >= MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} levels of nesting"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def load_plain(text: str) -> Any:
    """Return the content of YAML text without tags, aliases and more than `MAX_DEPTH` levels.

    Raises
    ------
    yaml.YAMLError
        If it is not such text.
    ValueError, OverflowError
        If a value is none, such as the 13th month or an integer of thousands of digits.
    """
    return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 (derives from SafeLoader)


def describe_yaml_error(error: yaml.YAMLError) -> str:
    """Return what is wrong in a YAML text, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = (getattr(error, "problem", None) or str(error)).splitlines()[0]
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return f"not a plain YAML file: {problem}{place}."
