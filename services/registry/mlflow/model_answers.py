"""Models and versions as MLflow's clients read them. As protobuf's JSON does, what was never set is left out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.registry.models.domain import ModelEntry, VersionEntry

READY = "READY"


def model_answer(model: ModelEntry) -> dict[str, Any]:
    """Show a model."""
    answer = {
        "name": model.name,
        "creation_timestamp": _milliseconds(model.created_at),
        "last_updated_timestamp": _milliseconds(model.updated_at),
        "description": model.description,
        "latest_versions": [version_answer(version) for version in model.latest],
        "tags": _tags(model.tags),
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
    }
    return {name: value for name, value in answer.items() if value}


def version_answer(version: VersionEntry) -> dict[str, Any]:
    """Show a version."""
    answer: dict[str, Any] = {
        "name": version.name,
        "version": str(version.number),
        "creation_timestamp": _milliseconds(version.created_at),
        "last_updated_timestamp": _milliseconds(version.updated_at),
        "current_stage": version.stage.value,
        "description": version.description or "",
        "source": version.source,
        "run_id": version.run_id or "",
        "status": READY,
        "run_link": version.run_link or "",
    }
    more = {"tags": _tags(version.tags), "aliases": list(version.aliases), "model_id": version.model_id}
    return answer | {name: value for name, value in more.items() if value}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
