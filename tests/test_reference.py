"""The reference of pipeline files, made from the schema, leaves no key out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from unblur.pipeline import json_schema
from unblur.plugins.manager import registry

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "schema_tables", raising=False)
    import schema_tables

    return schema_tables


def test_every_key_of_a_pipeline_file_is_listed_with_its_meaning(tables):
    schema = json.loads(json_schema(registry()))
    lines = tables.pipeline_reference(schema).splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| `")]
    listed = [row[0].strip("| `") for row in rows]
    expected = [*schema["properties"]]
    for name in ("Step", "Tiles", "kernel:map.PriorChoice"):
        expected += schema["$defs"][name]["properties"]
    assert listed == expected
    assert all(row[-1].strip(" |") for row in rows)


def test_bounds_defaults_and_choices_are_shown(tables):
    fields = {
        "a": {"type": "integer", "minimum": 1, "default": 3, "description": "Steps."},
        "b": {"anyOf": [{"type": "integer"}, {"const": "auto"}], "description": "Size."},
        "c": {"enum": ["x", "y"], "description": "Which."},
    }
    page = tables.field_table("key", fields, {"required": ["b"]})
    assert "| `a` | `3` | [1, ∞) | Steps. |" in page
    assert "| `b` | needed | a whole number or `auto` | Size. |" in page
    assert "| `c` |  | `x` or `y` | Which. |" in page
