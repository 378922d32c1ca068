"""Tables of fields from a JSON Schema, and the reference of pipeline files built from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
KINDS = {
    "kernel": "Name of the kernel estimator, if the step is one.",
    "deconvolve": "Name of the deconvolver, if the step is one.",
    "postprocess": "Name of the postprocessor, if the step is one.",
}
WORDS = {"integer": "a whole number", "number": "a number"}
INTRODUCTION = """# Every key of a pipeline file

Generated from the JSON Schema of the installed stages, against which every file is checked when it
is read. Unknown keys are errors. [Pipeline files](pipelines.md) explains how the keys work
together.

## The file
"""


def pipeline_reference(schema: Schema) -> str:
    """Return the Markdown page that lists every key of a pipeline file."""
    parts = [INTRODUCTION.rstrip()]
    steps, tiles = (schema["$defs"][name] for name in ("Step", "Tiles"))
    top = schema["properties"]
    top = {**top, "tiles": {"description": tiles["description"], **top["tiles"]}}
    parts.append(field_table("key", top, schema))
    kinds = {
        name: {"description": KINDS[name], **field} if name in KINDS else field
        for name, field in steps["properties"].items()
    }
    parts += ["## A step", f"{steps['description']} One of the first three keys is given."]
    parts.append(field_table("key", kinds, steps))
    parts.append("The params of each stage are listed with the [stages](stages.md).")
    parts += ["## Tiles", tiles["description"], field_table("key", tiles["properties"], tiles)]
    choice = next((d for name, d in schema["$defs"].items() if name.endswith("PriorChoice")), None)
    if choice:
        parts += ["## A prior inside a stage", choice["description"]]
        parts.append(field_table("key", choice["properties"], choice))
    return "\n\n".join(parts) + "\n"


def field_table(what: str, fields: Mapping[str, Schema], parent: Schema | None = None) -> str:
    """Return fields as a table: name, default, range, meaning.

    With `parent`, a field without a default is needed only if the parent's schema requires it.
    """
    rows = [f"| {what} | default | range | meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields.items():
        needed = parent is None or name in parent.get("required", [])
        cells = [f"`{name}`", default(field, needed), bounds(field), field.get("description", "")]
        rows.append(f"| {' | '.join(cells)} |".replace("\n", " "))
    return "\n".join(rows)


def default(field: Schema, needed: bool = True) -> str:
    """Return a field's default as code, or `needed` for a required field without one."""
    if "default" in field:
        return f"`{json.dumps(field['default'])}`"
    return "needed" if needed else ""


def bounds(field: Schema) -> str:
    """Return a param's range in mathematical notation, from its JSON Schema."""
    choices = [field, *field.get("anyOf", [])]
    words = []
    for choice in choices:
        words.extend(f"`{value}`" for value in choice.get("enum", []))
        if "const" in choice:
            words.append(f"`{choice['const']}`")
        low = choice.get("minimum", choice.get("exclusiveMinimum"))
        high = choice.get("maximum", choice.get("exclusiveMaximum"))
        if choice.get("type") in WORDS and choice is not field and low is None and high is None:
            words.append(WORDS[choice["type"]])
        if low is not None or high is not None:
            left = f"({low}" if "exclusiveMinimum" in choice else f"[{low}"
            right = f"{high})" if "exclusiveMaximum" in choice else f"{high}]"
            words.append(f"{'(−∞' if low is None else left}, {'∞)' if high is None else right}")
    return " or ".join(words)
