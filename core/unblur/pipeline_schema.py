"""The JSON Schema of pipeline files, with every installed stage and prior."""

from __future__ import annotations

import json
from typing import Any

from unblur.model.params import PriorChoice
from unblur.pipeline import STEP_KINDS, Pipeline
from unblur.plugins.manager import Registry, registry


def json_schema(known: Registry | None = None) -> str:
    """Return the JSON Schema of pipeline files, with every installed stage and its params."""
    shelf = known or registry()
    schema = Pipeline.model_json_schema()
    rules = []
    for kind in STEP_KINDS:
        names = shelf.stages_of(kind)
        schema["$defs"]["Step"]["properties"][kind] = {"enum": list(names)}
        for name, cls in names.items():
            model = f"{kind}:{name}"
            params = cls.Params.model_json_schema(ref_template="#/$defs/" + model + ".{model}")
            for inner, definition in params.pop("$defs", {}).items():
                if inner == PriorChoice.__name__:
                    definition = _with_priors(definition, shelf)
                schema["$defs"][f"{model}.{inner}"] = definition
            schema["$defs"][model] = {**params, "title": cls.name, "description": cls.summary}
            rules.append(
                {
                    "if": {"properties": {kind: {"const": name}}, "required": [kind]},
                    "then": {"properties": {"params": {"$ref": f"#/$defs/{model}"}}},
                }
            )
    for name, prior in shelf.stages_of("prior").items():
        schema["$defs"][f"prior:{name}"] = {
            **prior.Params.model_json_schema(),
            "title": name,
            "description": prior.summary,
        }
    if rules:  # JSON Schema forbids an empty `allOf`
        schema["$defs"]["Step"]["allOf"] = rules
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2)


def _with_priors(definition: dict[str, Any], shelf: Registry) -> dict[str, Any]:
    """Return the schema of a choice of prior with the registered ones and their params."""
    names = list(shelf.stages_of("prior"))
    prior = {**definition["properties"]["prior"], "enum": names}
    rules = [
        {
            "if": {"properties": {"prior": {"const": name}}, "required": ["prior"]},
            "then": {"properties": {"params": {"$ref": f"#/$defs/prior:{name}"}}},
        }
        for name in names
    ]
    listed = {**definition, "properties": {**definition["properties"], "prior": prior}}
    return {**listed, "allOf": rules} if rules else listed
