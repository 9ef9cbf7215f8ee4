"""What can be asked of one model over HTTP, as an OpenAPI 3.1 document made from its signature."""

from collections.abc import Mapping
from typing import Any

from contracts.bundle import DataType, Signature, TensorSpec
from contracts.pipeline import Column, DatasetContract
from services.serving.replica.protocol import ATTRIBUTIONS, LONGEST_TEXT, OUTPUTS
from services.serving.replica.v2 import (
    BINARY,
    JSON,
    PREDICTION_ID_HEADER,
    ROUTING_KEY_HEADER,
    VERSION_HEADER,
)

PROBLEM = "application/problem+json"

Schema = dict[str, Any]

_VALUES: Mapping[DataType, Schema] = {
    DataType.BOOL: {"type": "boolean"},
    DataType.INT64: {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    DataType.FP64: {"type": "number", "format": "double"},
    DataType.BYTES: {"type": "string"},
}


def document(model: str, version: int, signature: Signature, dataset: DatasetContract | None) -> dict[str, Any]:
    """Describe both faces of a model: rows as objects, and the Open Inference Protocol.

    Args:
        model: Its name.
        version: Whose signature this is.
        signature: What the model is asked with.
        dataset: What its columns are declared as, where that is known.
    """
    columns = {column.name: column for column in dataset.columns} if dataset else {}
    event_time = dataset.event_time if dataset else None
    easy, whole = f"/v1/models/{model}", f"/v2/models/{model}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": model,
            "version": str(version),
            "description": "Columns and bounds are those of this version. Errors name the first fault found.",
        },
        "paths": {
            easy: _get("describe", "What this model is asked with", PROBLEM),
            f"{easy}/predict": _post("predict", "Score rows", "Rows", "Predictions", PROBLEM),
            f"{easy}/versions/{{version}}/predict": _post(
                "predictByVersion", "Score rows by one version", "Rows", "Predictions", PROBLEM, versioned=True
            ),
            whole: _get("metadata", "The model, in the protocol's words", JSON),
            f"{whole}/ready": _get("ready", "Whether the model answers", JSON),
            f"{whole}/infer": _post("infer", "Score tensors", "InferRequest", "InferResponse", JSON),
            f"{whole}/versions/{{version}}": _get("versionMetadata", "One version", JSON, versioned=True),
            f"{whole}/versions/{{version}}/ready": _get(
                "versionReady", "Whether one version answers", JSON, versioned=True
            ),
            f"{whole}/versions/{{version}}/infer": _post(
                "inferByVersion", "Score tensors by one version", "InferRequest", "InferResponse", JSON, versioned=True
            ),
        },
        "components": {
            "schemas": {
                "Row": _row(signature, columns, event_time),
                "Rows": _ROWS,
                "Predictions": _PREDICTIONS,
                "InferRequest": _infer_request(signature, event_time),
                "InferResponse": _INFER_RESPONSE,
                "Problem": _PROBLEM,
                "Error": _ERROR,
            }
        },
    }


def _row(signature: Signature, columns: Mapping[str, Column], event_time: Column | None) -> Schema:
    properties = {spec.name: _value(spec, columns.get(spec.name)) for spec in signature.inputs}
    if event_time:
        properties[event_time.name] = {
            "description": "When the row happened; of all rows or of none. Left out: now.",
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "description": "ms since 1970"}],
        }
    return {
        "type": "object",
        "properties": properties,
        "required": [spec.name for spec in signature.inputs if not spec.nullable],
        "additionalProperties": False,
    }


def _value(spec: TensorSpec, column: Column | None) -> Schema:
    schema = dict(_VALUES[spec.datatype])
    if spec.nullable:
        schema["type"] = [schema["type"], "null"]
    if column is None:
        return schema
    said = [column.description] if column.description else []
    # Bounds are promised of data to learn from; a request beyond them is answered, so that they are no schema.
    if column.minimum is not None or column.maximum is not None:
        bounds = (("at least", column.minimum), ("at most", column.maximum))
        limits = ", ".join(f"{how} {bound:g}" for how, bound in bounds if bound is not None)
        said.append(f"In the data it learned from: {limits}.")
    if column.categories:
        said.append("Other values are answered as unseen.")
        schema["examples"] = list(column.categories)
    return schema | {"description": " ".join(said)} if said else schema


def _infer_request(signature: Signature, event_time: Column | None) -> Schema:
    tensors = [_tensor(spec.name, spec.datatype, _VALUES[spec.datatype], spec.nullable) for spec in signature.inputs]
    if event_time:
        tensors += [_tensor(event_time.name, kind, _VALUES[kind], False) for kind in (DataType.BYTES, DataType.INT64)]
    names = [*(spec.name for spec in OUTPUTS), ATTRIBUTIONS]
    return {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "parameters": {
                "type": "object",
                "properties": {
                    "routing_key": _TEXT,
                    "explain": {"type": "boolean"},
                    "binary_data_output": {"type": "boolean"},
                },
            },
            "inputs": {"type": "array", "minItems": len(signature.inputs), "items": {"oneOf": tensors}},
            "outputs": {
                "type": "array",
                "items": {"type": "object", "properties": {"name": {"enum": names}}, "required": ["name"]},
            },
        },
        "required": ["inputs"],
    }


def _tensor(name: str, datatype: DataType, value: Schema, nullable: bool) -> Schema:
    held = {**value, "type": [value["type"], "null"]} if nullable else value
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "datatype": {"const": datatype.value},
            "shape": {
                "description": "[rows] or [rows, 1]; the same rows in every input.",
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 1,
                "maxItems": 2,
            },
            "data": {"type": "array", "items": held, "minItems": 1},
        },
        "required": ["name", "datatype", "shape", "data"],
    }


def _get(name: str, summary: str, errors: str, *, versioned: bool = False) -> Schema:
    answers = {"200": {"description": "Yes", "content": {JSON: {"schema": {"type": "object"}}}}}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            **({"parameters": [_VERSION]} if versioned else {}),
            "responses": answers | _refusals(errors, "404", "503"),
        }
    }


def _post(name: str, summary: str, takes: str, gives: str, errors: str, *, versioned: bool = False) -> Schema:
    content: Schema = {JSON: {"schema": {"$ref": f"#/components/schemas/{gives}"}}}
    if gives == "InferResponse":
        content[BINARY] = {}
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "parameters": [*([_VERSION] if versioned else []), *_OPTIONS],
            "requestBody": {
                "required": True,
                "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{takes}"}}},
            },
            "responses": {
                "200": {"description": "Scores", "headers": _PROVENANCE, "content": content},
                **_refusals(errors, "400", "404", "413", "415", "429", "500", "503"),
            },
        }
    }


def _refusals(errors: str, *statuses: str) -> Schema:
    schema = {"$ref": f"#/components/schemas/{'Problem' if errors == PROBLEM else 'Error'}"}
    return {status: {"description": _MEANINGS[status], "content": {errors: {"schema": schema}}} for status in statuses}


_TEXT: Schema = {"type": "string", "maxLength": LONGEST_TEXT}
_VERSION: Schema = {
    "name": "version",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9]+$"},
}
_OPTIONS: list[Schema] = [
    {"name": "explain", "in": "query", "schema": {"enum": ["true", "false"]}},
    {
        "name": ROUTING_KEY_HEADER,
        "in": "header",
        "description": "Requests of one key are answered by one version while two share the traffic.",
        "schema": {"type": "string"},
    },
    {"name": "traceparent", "in": "header", "description": "W3C trace context.", "schema": {"type": "string"}},
]
_PROVENANCE: Schema = {
    VERSION_HEADER: {"description": "Which version answered.", "schema": {"type": "string"}},
    PREDICTION_ID_HEADER: {"description": "Id of the first row's prediction.", "schema": {"type": "string"}},
}
_MEANINGS = {
    "400": "The request is not what the model is asked with",
    "404": "No such model or version here",
    "413": "Too many rows or bytes",
    "415": "An unknown Content-Encoding",
    "429": "Too many requests; Retry-After says when to come again",
    "500": "The model failed",
    "503": "No version answers yet; Retry-After says when to come again",
}
_ROWS: Schema = {
    "anyOf": [
        {
            "type": "object",
            "properties": {
                "rows": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}},
                "routing_key": _TEXT,
                "explain": {"type": "boolean", "description": "Say what each feature added to each score."},
            },
            "required": ["rows"],
            "additionalProperties": False,
        },
        {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}},
        {"$ref": "#/components/schemas/Row"},
    ]
}
_PREDICTIONS: Schema = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "integer"},
        "predictions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "prediction_id": {"type": "string"},
                    "score": {"type": "number"},
                    "attributions": {"type": "object", "additionalProperties": {"type": "number"}},
                },
                "required": ["prediction_id", "score"],
            },
        },
        "explanation": {"type": "object"},
    },
    "required": ["model", "version", "predictions"],
}
_INFER_RESPONSE: Schema = {
    "type": "object",
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "datatype", "shape"]}},
    },
    "required": ["model_name", "model_version", "outputs"],
}
_ERROR: Schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_PROBLEM: Schema = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
