"""Pages that are made from the code when the manual is built, so that they cannot go stale."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from evidence import evidence
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from unblur.pipeline import Pipeline, json_schema
from unblur.plugins import Registry, registry
from unblur.stages import Kind, Stage

TITLES: dict[Kind, str] = {
    "kernel": "Kernel estimators",
    "deconvolve": "Deconvolvers",
    "prior": "Priors",
    "postprocess": "Postprocessors",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the stage reference, what was measured, and the JSON Schema to the site."""
    known = registry()
    files.append(File.generated(config, "stages.md", content=stage_reference(known)))
    results = Path(config.docs_dir).parent / "benchmarks/results"
    files.append(File.generated(config, "evidence.md", content=evidence(results)))
    files.append(File.generated(config, "unblur.schema.json", content=json_schema(known)))
    return files


def stage_reference(known: Registry) -> str:
    """Return the Markdown page that describes every installed stage and shipped pipeline."""
    parts = ["# Stages", "Made from the params and docstrings of what is installed."]
    for kind, title in TITLES.items():
        parts.append(f"## {title}")
        parts.extend(describe(cls) for cls in known.stages_of(kind).values())
    parts.append("## Shipped pipelines")
    parts.extend(
        f"### {name}\n\n{Pipeline.load(path).summary}\n\n```yaml\n{path.read_text('utf-8')}```"
        for name, path in sorted(known.pipelines.items())
    )
    return "\n\n".join(parts) + "\n"


def describe(cls: type[Stage]) -> str:
    """Return one stage's section: summary, params as a table, docstring, citation."""
    parts = [f"### {cls.name}", cls.summary]
    fields = cls.Params.model_json_schema().get("properties", {})
    if fields:
        rows = [
            f"| `{name}` | {default(f)} | {bounds(f)} | {f.get('description', '')} |"
            for name, f in fields.items()
        ]
        head = ["| param | default | range | meaning |", "| --- | --- | --- | --- |"]
        parts.append("\n".join(head + [row.replace("\n", " ") for row in rows]))
    doc = inspect.getdoc(cls) or ""
    parts.append(f"```text\n{doc}\n```")
    if cls.cites:
        parts.append(f"*{cls.cites}*")
    return "\n\n".join(parts)


def default(field: dict[str, Any]) -> str:
    """Return a param's default as code, or that it is needed."""
    return f"`{json.dumps(field['default'])}`" if "default" in field else "needed"


def bounds(field: dict[str, Any]) -> str:
    """Return a param's range in mathematical notation, from its JSON Schema."""
    choices = [field, *field.get("anyOf", [])]
    words = []
    for choice in choices:
        words.extend(f"`{value}`" for value in choice.get("enum", []))
        if "const" in choice:
            words.append(f"`{choice['const']}`")
        low = choice.get("minimum", choice.get("exclusiveMinimum"))
        high = choice.get("maximum", choice.get("exclusiveMaximum"))
        if low is not None or high is not None:
            left = f"({low}" if "exclusiveMinimum" in choice else f"[{low}"
            right = f"{high})" if "exclusiveMaximum" in choice else f"{high}]"
            words.append(f"{'(−∞' if low is None else left}, {'∞)' if high is None else right}")
    return " or ".join(words)
