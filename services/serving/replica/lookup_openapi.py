"""What can be asked of a model's precomputed scores, as a part of its OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from services.serving.replica.openapi import PROBLEM
from services.serving.replica.protocol import LONGEST_TEXT
from services.serving.replica.v2 import JSON

_SCALAR: Mapping[str, Any] = {"type": ["string", "integer", "boolean"]}
_REFUSALS = {
    "400": "Not keys of this model, or rows that it is not asked with",
    "404": "No such model here",
    "413": "Too many keys or bytes",
    "415": "An unknown Content-Encoding",
    "429": "Too many requests; Retry-After says when to come again",
    "500": "The model failed",
    "503": "No version answers yet, and a row was to be scored live; Retry-After says when to come again",
}

LOOKUP: Mapping[str, Any] = {
    "post": {
        "operationId": "lookUp",
        "summary": "Find scores that were computed in advance",
        "description": "A key without a fresh score of the version that answers is scored live if its row is sent "
        "along; otherwise its answer says why there is none.",
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "keys": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]},
                                "description": "A value, or for a key of several columns a list of them.",
                            },
                            "rows": {
                                "type": ["array", "null"],
                                "items": {"anyOf": [{"$ref": "#/components/schemas/Row"}, {"type": "null"}]},
                                "description": "As many as keys; null where a live answer is not wanted.",
                            },
                            "routing_key": {"type": "string", "maxLength": LONGEST_TEXT},
                        },
                        "required": ["keys"],
                        "additionalProperties": False,
                    }
                }
            },
        },
        "responses": {
            "200": {
                "description": "An answer per key",
                "content": {
                    JSON: {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "model": {"type": "string"},
                                "answers": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "properties": {
                                            "source": {"enum": ["precomputed", "live", None]},
                                            "score": {"type": ["number", "null"]},
                                            "version": {"type": "integer"},
                                            "dataset_version": {"type": "integer"},
                                            "prediction_id": {"type": "string"},
                                            "computed_at": {"type": "string", "format": "date-time"},
                                            "age_s": {"type": "number", "minimum": 0},
                                            "event_time": {"type": ["string", "null"], "format": "date-time"},
                                            "reason": {"enum": ["not_precomputed", "unknown_key", "stale"]},
                                        },
                                        "required": ["key", "source", "score"],
                                    },
                                },
                            },
                            "required": ["model", "answers"],
                        }
                    }
                },
            },
            **{
                status: {
                    "description": meaning,
                    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status, meaning in _REFUSALS.items()
            },
        },
    }
}
