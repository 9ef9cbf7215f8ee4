"""Why a prediction is what it is: asked of every service that knows a part of it, joined into one answer."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict

from everloop.client.errors import ClientError, RefusedError
from everloop.client.platform import Platform
from everloop.client.records import is_logged
from everloop.traces.finding import trace_of


class Part(BaseModel):
    """A part of the answer; fields of a newer service are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Prediction(Part):
    """What was asked and answered."""

    prediction_id: str
    pipeline: str
    version: int
    served_at: str
    event_time: str
    score: float
    inputs: dict[str, Any]
    label: dict[str, Any] | None = None
    trace_id: str | None = None


class Why(Part):
    """Everything behind one prediction, most of it straight from the service that owns it.

    ``missing`` names parts that could not be had, with the reason, instead of leaving them out silently.
    """

    prediction: Prediction
    model: dict[str, Any]
    data: dict[str, Any]
    code: dict[str, Any]
    environment: dict[str, Any]
    run: dict[str, Any]
    gates: list[dict[str, Any]]
    promotion: dict[str, Any]
    missing: dict[str, str]


async def why(platform: Platform, prediction_id: str) -> Why:
    """Explain a prediction.

    Raises:
        RefusedError: Monitoring knows no such prediction (it hears of one a moment after it was answered).
        ClientError: Monitoring or the registry does not answer.
    """
    asked = await platform.get("monitoring", f"/v1/predictions/{prediction_id}")
    prediction = Prediction(**asked, trace_id=trace_of(asked.get("traceparent")))
    name, number = prediction.pipeline, prediction.version
    version = await platform.get("registry", f"/v1/models/{name}/versions/{number}")
    if is_logged(version):
        return await _of_logged(platform, prediction, version)
    lineage = version["lineage"]
    missing: dict[str, str] = {}

    async def part(label: str, service: str, path: str) -> Any:
        try:
            return await platform.get(service, path)
        except ClientError as error:
            missing[label] = str(error)
            return {}

    aliases, run, dataset = await asyncio.gather(
        part("promotion", "registry", f"/v1/models/{name}/aliases"),
        part("run", "training", f"/v1/runs/{lineage['run_id']}"),
        part("data", "ingestion", f"/v1/datasets/{name}/versions/{lineage['dataset']['version']}"),
    )
    return Why(
        prediction=prediction,
        model={
            "name": name,
            "version": number,
            "state": version["state"],
            "bundle_uri": version["bundle_uri"],
            "bundle_digest": version["bundle_digest"],
            "model_digest": model_digest(version["manifest"]),
            "metrics": version["metrics"],
        },
        data={
            **lineage["dataset"],
            **{
                key: dataset[key]
                for key in ("raw_uri", "raw_digest", "rows", "first_event", "last_event")
                if key in dataset
            },
        },
        code={"digest": lineage["code_digest"], "commit": lineage.get("commit"), "modified": lineage.get("modified")},
        environment={"digest": lineage["environment_digest"]},
        run={
            "run_id": lineage["run_id"],
            "seed": lineage["seed"],
            "parameters": lineage["parameters"],
            **{
                key: run[key]
                for key in ("cause", "correlation_id", "state", "created_at", "finished_at", "spec_uri")
                if key in run
            },
        },
        gates=version["verdicts"],
        promotion=promotion_before(aliases.get("history", ()), number, prediction.served_at)
        or dict(version.get("decision") or {}),
        missing=missing,
    )


async def _of_logged(platform: Platform, prediction: Prediction, version: dict[str, Any]) -> Why:
    """Explain what a version answered that no pipeline made: as far as anybody can."""
    aliases = await platform.get("registry", f"/v1/models/{prediction.pipeline}/aliases")
    known = ("state", "bundle_uri", "bundle_digest", "metrics", "source", "serving")
    return Why(
        prediction=prediction,
        model={"name": prediction.pipeline, "version": prediction.version, **{key: version[key] for key in known}},
        data={},
        code={},
        environment={},
        run={"run_id": version["run_id"], "model_id": version["model_id"]},
        gates=[],
        promotion=promotion_before(aliases["history"], prediction.version, prediction.served_at)
        or dict(version["decision"] or {}),
        missing={"origin": version["untold"]},
    )


def model_digest(manifest: dict[str, Any]) -> str:
    """Find the digest of the model file in a manifest.

    Raises:
        RefusedError: The manifest lists none.
    """
    for file in manifest["files"]:
        if file["path"].startswith("model."):
            return str(file["digest"])
    raise RefusedError("the manifest lists no model file")


def promotion_before(history: Any, version: int, served_at: str) -> dict[str, Any] | None:
    """Find who made the version champion, the last time before it answered."""
    from datetime import datetime

    limit = datetime.fromisoformat(served_at)
    promoted = [
        change
        for change in history
        if change["alias"] == "champion"
        and change["version"] == version
        and datetime.fromisoformat(change["at"]) <= limit
    ]
    return dict(promoted[-1]) if promoted else None
