"""MLflow's protocol as the registry speaks it, written as an OpenAPI document, so that it can be asked anything."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from services.registry.mlflow.calls import Method

ROOT = "/api/2.0"
ARTIFACTS = "/mlflow-artifacts/artifacts/{path}"


def document(methods: Iterable[Method], *, known: Mapping[str, str]) -> dict[str, Any]:
    """Describe calls.

    Args:
        methods: Which.
        known: Values that name something, by argument: half of what is asked is about them.
    """
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for method in methods:
        schema = method.arguments.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        fields = {name: _known(name, field, known) for name, field in schema.get("properties", {}).items()}
        path = re.sub(r":\w+}", "}", method.path)
        inside = re.findall(r"{(\w+)}", path)
        operation: dict[str, Any] = {"parameters": [_parameter(name, "path", fields.pop(name, {})) for name in inside]}
        if method.verb == "GET":
            operation["parameters"] += [_parameter(name, "query", field) for name, field in fields.items()]
        else:
            body = {"type": "object", "properties": fields}
            operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
        paths.setdefault(ROOT + path, {})[method.verb.lower()] = operation | ANSWERS
    paths[ROOT + ARTIFACTS] = {
        "get": {"parameters": [_parameter("path", "path", {})]} | ANSWERS,
        "delete": {"parameters": [_parameter("path", "path", {})]} | ANSWERS,
        "put": {
            "parameters": [_parameter("path", "path", {})],
            "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string"}}}},
        }
        | ANSWERS,
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "MLflow", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


ANSWERS = {"responses": {"default": {"description": "Anything, as long as nothing breaks."}}}


def _known(name: str, field: Any, known: Mapping[str, str]) -> Any:
    return {"anyOf": [{"const": known[name]}, field]} if name in known else field


def _parameter(name: str, place: str, field: Any) -> dict[str, Any]:
    # An empty part of a path is another path.
    schema = field or {"type": "string", "minLength": 1}
    return {"name": name, "in": place, "required": place == "path", "schema": schema}
