"""Pages that are generated from the code when the manual is built."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from comparison import comparison
from evidence import evidence
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from schema_tables import field_table, pipeline_reference

from unblur.model.stages import Kind, Stage
from unblur.pipeline import Pipeline
from unblur.pipeline_schema import json_schema
from unblur.plugins.manager import Registry, registry

TITLES: dict[Kind, str] = {
    "kernel": "Kernel estimators",
    "deconvolve": "Deconvolvers",
    "prior": "Priors",
    "postprocess": "Postprocessors",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from code and results, and the JSON Schema, to the site."""
    known = registry()
    files.append(File.generated(config, "stages.md", content=stage_reference(known)))
    results = Path(config.docs_dir).parent / "benchmarks/results"
    files.append(File.generated(config, "evidence.md", content=evidence(results)))
    files.append(File.generated(config, "compared.md", content=comparison(results)))
    schema = json_schema(known)
    reference = pipeline_reference(json.loads(schema))
    files.append(File.generated(config, "pipeline-reference.md", content=reference))
    files.append(File.generated(config, "unblur.schema.json", content=schema))
    return files


def stage_reference(known: Registry) -> str:
    """Return the Markdown page that describes every installed stage and shipped pipeline."""
    parts = ["# Stages", "Generated from the params and docstrings of the installed stages."]
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
        parts.append(field_table("param", fields))
    doc = inspect.getdoc(cls) or ""
    parts.append(f"```text\n{doc}\n```")
    if cls.cites:
        parts.append(f"*{cls.cites}*")
    return "\n\n".join(parts)
