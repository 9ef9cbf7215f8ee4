"""From any id to everything it led to and came from: data, run, version, deployment, predictions."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from contracts import telemetry
from everloop.client.errors import ClientError, RefusedError
from everloop.client.platform import Platform
from everloop.client.records import is_logged
from everloop.client.why import Part

_VERSION = re.compile(r"(?P<model>[a-z][a-z0-9_]*)(?:/(?P<number>[1-9][0-9]*)|@(?P<alias>[^@/]+))")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Ask = Callable[[str, str], Awaitable[Any]]
Told = tuple[str, int]
"""A version: its model's name and its number."""


class Branch(Part):
    """A version with all that led to it and all it led to, each part straight from the service that owns it.

    ``known`` is what the registry shows; ``missing`` names parts that could not be had, with the reason.
    """

    model: str
    version: int
    known: dict[str, Any]
    run: dict[str, Any] | None
    data: dict[str, Any] | None
    moves: list[dict[str, Any]]
    deployment: dict[str, Any] | None
    predictions: dict[str, Any] | None
    newest_predictions: list[str]
    original: dict[str, Any] | None
    """Of an imported version: what the registry knew that it came from."""
    missing: dict[str, str]


class Lineage(Part):
    """What an id is, and every version it has to do with."""

    identity: str
    kind: str
    asked: dict[str, Any] | None
    versions: list[Branch]


async def lineage(platform: Platform, identity: str, *, spans: Path | None = None) -> Lineage:
    """Find what an id is the id of, and follow it both ways.

    Args:
        platform: A running platform.
        identity: Of a prediction, a trace, a message, a run, a dataset version or raw file (its digest), code, a commit
            or its beginning, an environment, a bundle; or a version as ``model/3`` or ``model@alias``.
        spans: File of the trace store, where it is on this machine.

    Raises:
        RefusedError: Nothing is known by it.
        ClientError: A service that might know does not answer.
    """
    for find in (_named, _origin, _prediction, _run, _file):
        if found := await find(platform, identity):
            return await _followed(platform, identity, *found)
    if spans and (traced := await _traced(platform, identity, spans)):
        return await _followed(platform, identity, *traced)
    raise RefusedError(
        f"nothing is known as {identity}: give the id of a prediction, trace, run or message, a digest, a commit, or "
        "model/version"
    )


Found = tuple[str, dict[str, Any] | None, list[Told]]
"""What an id is, what is known of the thing itself, and the versions it has to do with."""


async def _named(platform: Platform, identity: str) -> Found | None:
    from everloop.client.records import number_of

    if not (named := _VERSION.fullmatch(identity)):
        return None
    which = int(named["number"]) if named["number"] else named["alias"]
    return "version", None, [(named["model"], await number_of(platform, named["model"], which))]


async def _origin(platform: Platform, identity: str) -> Found | None:
    found = await _asked(platform, "registry", f"/v1/lineage/{quote(identity, safe=':')}")
    if found is None:
        return None
    return found["versions"][0]["origin"], None, [(one["model"], one["version"]) for one in found["versions"]]


async def _prediction(platform: Platform, identity: str) -> Found | None:
    found = await _asked(platform, "monitoring", f"/v1/predictions/{quote(identity, safe=':')}")
    return ("prediction", found, [(found["pipeline"], found["version"])]) if found else None


async def _run(platform: Platform, identity: str) -> Found | None:
    """Find a run that became no version."""
    try:
        UUID(identity)
    except ValueError:
        return None
    found = await _asked(platform, "training", f"/v1/runs/{identity}")
    return ("run", found, []) if found else None


async def _file(platform: Platform, identity: str) -> Found | None:
    """Find the dataset versions that a raw file is a part of, and what learned from them."""
    if not _DIGEST.fullmatch(identity):
        return None
    for one in await platform.get("ingestion", "/v1/datasets"):
        listed = await platform.get("ingestion", f"/v1/datasets/{one['pipeline']}/versions")
        holding = _holding(sorted(listed, key=lambda version: int(version["version"])), identity)
        if holding:
            kind = "raw file" if holding[0]["raw_digest"] == identity else "dataset"
            digests = dict.fromkeys(version["digest"] for version in holding)
            learned = [await _origin(platform, digest) for digest in digests]
            return kind, holding[0], [told for found in learned if found for told in found[2]]
    return None


def _holding(versions: list[dict[str, Any]], identity: str) -> list[dict[str, Any]]:
    """Keep the versions of a dataset that hold a file, or are named so: from its own until one replaces it."""
    kept: list[dict[str, Any]] = []
    for version in versions:
        if version["mode"] == "replace" and kept:
            break
        if kept or identity in (version["raw_digest"], version["digest"]):
            kept.append(version)
        if version["digest"] == identity != version["raw_digest"]:
            break
    return kept


async def _traced(platform: Platform, identity: str, spans: Path) -> Found | None:
    """Find what a trace was about: the run it trained, the versions that answered."""
    from everloop.traces.finding import NoTraceError, find_trace_id, read_trace

    try:
        trace_id = await asyncio.to_thread(find_trace_id, spans, identity)
        trace = await asyncio.to_thread(read_trace, spans, trace_id) if trace_id else None
    except NoTraceError:
        return None
    if trace is None:
        return None
    seen = [span.attributes for span in (*trace.spans, *trace.followers)]
    told = {
        (str(one[telemetry.PIPELINE]), int(one[telemetry.MODEL_VERSION]))
        for one in seen
        if telemetry.MODEL_VERSION in one and telemetry.PIPELINE in one
    }
    for run in {str(one[telemetry.RUN_ID]) for one in seen if telemetry.RUN_ID in one}:
        if found := await _origin(platform, run):
            told.update(found[2])
    return "trace", {"trace_id": trace.trace_id, "spans": len(trace.spans)}, sorted(told)


async def _followed(
    platform: Platform, identity: str, kind: str, asked: dict[str, Any] | None, told: Iterable[Told]
) -> Lineage:
    branches = [await branch(platform, *one) for one in dict.fromkeys(told)]
    return Lineage(identity=identity, kind=kind, asked=asked, versions=branches)


async def branch(platform: Platform, model: str, number: int) -> Branch:
    """Follow one version both ways.

    Raises:
        RefusedError: There is no such version.
        ClientError: The registry does not answer.
    """
    known = await platform.get("registry", f"/v1/models/{model}/versions/{number}")
    logged = is_logged(known)
    missing: dict[str, str] = {"origin": known["untold"]} if logged else {}
    maybe = partial(_asked, platform)

    async def part(label: str, service: str, path: str, ask: Ask = platform.get) -> Any:
        try:
            return await ask(service, path)
        except ClientError as error:
            missing[label] = str(error)
            return None

    async def unknown() -> None:
        return None

    aliases, run, data, deployment, monitor, newest, original = await asyncio.gather(
        part("moves", "registry", f"/v1/models/{model}/aliases"),
        unknown() if logged else part("run", "training", f"/v1/runs/{known['lineage']['run_id']}"),
        unknown() if logged else part("data", "ingestion", _dataset(model, known)),
        part("deployment", "serving", f"/v1/deployments/{model}", maybe),
        part("predictions", "monitoring", f"/v1/monitors/{model}", maybe),
        part("predictions", "monitoring", f"/v1/monitors/{model}/versions/{number}/predictions", maybe),
        unknown() if logged else part("original", "registry", f"/v1/models/{model}/versions/{number}/record", maybe),
    )
    if data and data["digest"] != known["lineage"]["dataset"]["digest"]:
        # An imported version's dataset is another's, whatever its number.
        missing["data"], data = "its dataset was ingested elsewhere", None
    answering = (deployment or {}).get("answering")
    watched = (monitor or {}).get("versions", ())
    return Branch(
        model=model,
        version=number,
        known=known,
        run=run,
        data=data,
        moves=[move for move in (aliases or {}).get("history", ()) if move["version"] == number],
        deployment=answering if answering and answering["version"] == number else None,
        predictions=next((one for one in watched if one["version"] == number), None),
        newest_predictions=newest or [],
        original=original,
        missing=missing,
    )


def _dataset(model: str, known: dict[str, Any]) -> str:
    return f"/v1/datasets/{model}/versions/{known['lineage']['dataset']['version']}"


async def _asked(platform: Platform, service: str, path: str) -> Any:
    """Ask a service for something it may not know."""
    try:
        return await platform.get(service, path)
    except RefusedError:
        return None
