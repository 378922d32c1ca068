"""The reference of pipeline files is made from the schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from unblur.pipeline_schema import json_schema
from unblur.plugins.manager import registry

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.needs_torch
def test_the_reference_lists_every_key_of_a_pipeline_file(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "schema_tables", raising=False)
    from schema_tables import pipeline_reference

    schema = json.loads(json_schema(registry()))
    page = pipeline_reference(schema)
    keys = [*schema["properties"], *schema["$defs"]["Step"]["properties"]]
    assert [key for key in keys if f"| `{key}` |" not in page] == []
