"""`unblur info`: description of one stage, pipeline or model."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unblur.cli.console import console, print_json, print_result, print_table
from unblur.cli.options import Json
from unblur.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from pydantic import BaseModel

    from unblur.model.stages import Stage
    from unblur.plugins.manager import Registry

TOPICS = {"kernels": "unblur.io.kernels"}
"""Further topics, and the modules whose docstrings describe them."""

EXAMPLE = "unblur info richardson-lucy"


def info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A stage, pipeline or model.")],
    as_json: Json = False,
) -> None:
    """Show the description of a stage, pipeline or model, its params with bounds, and its paper."""
    from unblur.plugins.manager import registry

    known = registry()
    stages = [cls for (_, other), cls in sorted(known.stages.items()) if other == name]
    found: list[dict[str, Any]] = [_of_stage(cls, known) for cls in stages]
    if name in known.pipelines:
        found.append(_of_pipeline(name, known))
    if name in TOPICS:
        found.append(_of_topic(name))
    if name in known.trainers:
        found.append(_of_trainer(known.trainers[name], known))
    if not found and Path(name).exists():
        raise UsageError(
            f"{name} is a file, and `unblur info` describes stages, pipelines and models by name; "
            f"see `unblur plan PIPELINE {name}` of an image, `unblur check {name}` of a pipeline "
            f"file, `unblur psf check {name}` of a PSF."
        )
    if not found:
        names = [other for _, other in known.stages] + [*known.pipelines, *known.trainers, *TOPICS]
        raise UsageError(unknown_name("stage, pipeline or model", name, set(names)))
    if as_json:
        print_json(found)
        return
    for entry in found:
        _show(entry)


def _of_stage(cls: type[Stage], known: Registry) -> dict[str, Any]:
    return {
        "name": cls.name,
        "kind": cls.kind,
        "plugin": known.origins.get(cls, "unblur"),
        "summary": cls.summary,
        "cites": cls.cites,
        "dimensions": sorted(cls.dimensions),
        "about": inspect.getdoc(cls) or "",
        "params": params_of(cls.Params),
    }


def _of_pipeline(name: str, known: Registry) -> dict[str, Any]:
    from unblur.pipeline import Pipeline

    path = known.pipeline(name)
    pipeline = Pipeline.load(name, known)
    return {
        "name": name,
        "kind": "pipeline",
        "plugin": known.origins.get(path, "unblur"),
        "summary": pipeline.summary,
        "needs_psf": pipeline.needs_psf,
        "file": str(path),
        "text": path.read_text("utf-8"),
    }


def _of_topic(name: str) -> dict[str, Any]:
    from importlib import import_module

    summary, _, about = (inspect.getdoc(import_module(TOPICS[name])) or "").partition("\n")
    return {
        "name": name,
        "kind": "topic",
        "plugin": "unblur",
        "summary": summary,
        "about": about.strip(),
    }


def _of_trainer(cls: Any, known: Registry) -> dict[str, Any]:
    return {
        "name": cls.name,
        "kind": "model that `unblur train` trains",
        "plugin": known.origins.get(cls, "unblur"),
        "summary": cls.summary,
        "about": inspect.getdoc(cls) or "",
        "params": params_of(cls.Params),
    }


def params_of(model: type[BaseModel]) -> list[dict[str, str]]:
    """Return the name, type with bounds, default and meaning of each param of a model."""
    schema = model.model_json_schema()
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = field.get("default", "needed")
        rows.append(
            {
                "param": name,
                "type": type_of(field, schema.get("$defs", {})),
                "default": "" if default is None else _plain(default),
                "meaning": field.get("description", ""),
            }
        )
    return rows


def type_of(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return a JSON Schema's type and bounds in words, e.g. "integer 3 to 99, or auto".

    Example
    -------
    >>> type_of({"type": "number", "exclusiveMinimum": 0}, {})
    'number > 0'
    """
    if "anyOf" in field:
        options = [type_of(option, definitions) for option in field["anyOf"]]
        return ", or ".join(option for option in options if option != "null")
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return type_of(definitions[name], definitions) if name in definitions else str(name)
    if "const" in field:
        return str(field["const"])
    if "enum" in field:
        return " or ".join(map(str, field["enum"]))
    if field.get("type") == "array" and isinstance(field.get("items"), dict):
        return f"list of {type_of(field['items'], definitions)}"
    if field.get("type") == "object":
        keys = ", ".join(field.get("properties", {}))
        return f"mapping of {keys}" if keys else "mapping"
    return " ".join([str(field.get("type", "any")), _bounds(field)]).strip()


def _bounds(field: dict[str, Any]) -> str:
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    parts = [
        f"{sign} {bound}"
        for sign, bound in ((">=", low), (">", above), ("<=", high), ("<", below))
        if bound is not None
    ]
    return ", ".join(parts)


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _show(entry: dict[str, Any]) -> None:
    from rich.text import Text

    output = console()
    output.print(Text(f"{entry['name']}", style="bold cyan"), Text(f"{entry['kind']}"), end="")
    output.print(Text(f", from plugin '{entry['plugin']}'"))
    print_result(f"{entry['summary']}\n")
    if entry.get("about"):
        print_result(f"{entry['about']}\n")
    if entry.get("text"):
        print_result(f"{entry['file']}\n\n{entry['text']}")
    if entry.get("params"):
        print_table(
            ["param", "type", "default", "meaning"],
            [list(row.values()) for row in entry["params"]],
        )
        print_result("")
    if entry.get("cites"):
        print_result(f"Paper: {entry['cites']}\n")
