"""What becomes of runs: wishes in, what was done about them out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from contracts.message import Message
from contracts.tracking import RunCreated, RunDeleted, RunRestored, RunState, RunUpdated
from services.chassis.errors import RejectedError
from services.registry.tracking import facts
from services.registry.tracking.domain import (
    LOGGED_MODELS,
    RUN_NAME,
    DatasetInput,
    Metric,
    ModelOutput,
    Run,
    RunStatus,
    Stage,
)
from services.registry.tracking.limits import (
    LONGEST_MODEL_ID,
    LONGEST_PARAM,
    LONGEST_TAG,
    check_batch,
    check_dataset,
    check_length,
)
from services.registry.tracking.ports import Log, Runs


async def find(run_id: str, runs: Runs) -> Run:
    """Find a run, deleted or not.

    Raises:
        RejectedError: There is none.
    """
    return _known(run_id, await runs.get(run_id))


async def create(run: Run, runs: Runs, *, tags: Mapping[str, str]) -> list[Message]:
    """Begin a run, unless it is there already."""
    tags = {**_clipped(tags, LONGEST_TAG), RUN_NAME: run.name}
    if not await runs.add(run, tags):
        return []
    created = RunCreated(
        pipeline=run.pipeline,
        run_id=run.id,
        experiment_id=run.experiment_id,
        user=run.user,
        state=_state(run),
        started_ms=run.started_ms,
        artifact_uri=run.artifact_uri,
        tags=tags,
    )
    return [created]


async def update(
    run_id: str,
    runs: Runs,
    log: Log,
    *,
    status: RunStatus | None = None,
    ended_ms: int | None = None,
    name: str | None = None,
) -> tuple[Run, list[Message]]:
    """Change how far a run is, or its name.

    Raises:
        RejectedError: There is none in use.
    """
    run = await _held(run_id, runs)
    now = replace(
        run,
        status=status or run.status,
        ended_ms=run.ended_ms if ended_ms is None else ended_ms,
        name=name or run.name,
    )
    said = await change(run, now, runs)
    if name:
        said += facts.logged(now, tags=await log.set_tags(run.id, {RUN_NAME: name}))
    return now, said


async def change(before: Run, now: Run, runs: Runs) -> list[Message]:
    """Keep how far a run is, and its name, where that is something new."""
    if before == now:
        return []
    await runs.put(now)
    return [RunUpdated(pipeline=now.pipeline, run_id=now.id, state=_state(now), previous=_state(before))]


async def delete(run_id: str, runs: Runs, *, by: str, at_ms: int) -> list[Message]:
    """Put a run away.

    Raises:
        RejectedError: There is none.
    """
    run = _known(run_id, await runs.hold(run_id))
    await runs.put(replace(run, stage=Stage.DELETED, deleted_ms=at_ms))
    return [RunDeleted(pipeline=run.pipeline, run_id=run.id, deleted_by=by, at_ms=at_ms)]


async def restore(run_id: str, runs: Runs, *, at_ms: int) -> list[Message]:
    """Have a run back.

    Raises:
        RejectedError: There is none.
    """
    run = _known(run_id, await runs.hold(run_id))
    await runs.put(replace(run, stage=Stage.ACTIVE, deleted_ms=None))
    return [RunRestored(pipeline=run.pipeline, run_id=run.id, at_ms=at_ms)]


async def log_batch(
    run_id: str,
    runs: Runs,
    log: Log,
    *,
    metrics: Sequence[Metric] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> list[Message]:
    """Log what a run found out.

    Raises:
        RejectedError: There is no such run in use, something is no good, or a parameter has another value already.
    """
    params, tags = _clipped(params or {}, LONGEST_PARAM), _clipped(tags or {}, LONGEST_TAG)
    check_batch(metrics, params, tags)
    run = await _held(run_id, runs)
    if params:
        await _add_params(run, params, log)
    if metrics:
        await log.add_metrics(run, metrics)
    changes = await log.set_tags(run.id, tags) if tags else ()
    said = facts.logged(run, params=params, metrics=metrics, tags=changes)
    if name := tags.get(RUN_NAME):
        said += await change(run, replace(run, name=name), runs)
    return said


async def remove_tag(run_id: str, key: str, runs: Runs, log: Log) -> list[Message]:
    """Remove a tag.

    Raises:
        RejectedError: There is no such run in use, or no such tag.
    """
    run = await _held(run_id, runs)
    changes = await log.set_tags(run.id, {key: None})
    if not changes:
        raise RejectedError("tag_not_found", run_id=run.id, key=key)
    return facts.logged(run, tags=changes)


async def link(
    run_id: str,
    runs: Runs,
    log: Log,
    *,
    datasets: Sequence[DatasetInput] = (),
    used: Sequence[str] = (),
    made: Sequence[ModelOutput] = (),
) -> list[Message]:
    """Note which data and models a run used, and which models it made.

    Raises:
        RejectedError: There is no such run in use, or a description is too long.
    """
    for one in datasets:
        check_dataset(one)
    for model_id in (*used, *(one.model_id for one in made)):
        check_length("model_id", model_id, LONGEST_MODEL_ID)
    run = await _held(run_id, runs)
    new = await log.add_datasets(run, datasets)
    await log.add_models(run.id, used=used, made=made)
    return facts.linked(run, datasets=new, used=used, made=made)


async def note_model(run_id: str, described: Mapping[str, Any], runs: Runs, log: Log) -> list[Message]:
    """Note a model among those that the run logged, in a tag, as clients before 3 had it.

    Raises:
        RejectedError: There is no such run in use.
    """
    run = await _held(run_id, runs)
    # An update lets nobody else add a model before this one is written.
    await runs.put(run)
    tags = (await runs.records([run.id]))[run.id].tags
    history = json.dumps([*json.loads(tags.get(LOGGED_MODELS, "[]")), described])
    return facts.logged(run, tags=await log.set_tags(run.id, {LOGGED_MODELS: history}))


async def _add_params(run: Run, params: Mapping[str, str], log: Log) -> None:
    if kept := await log.add_params(run.id, params):
        said = "; ".join(f"{key} is {value!r}, not {params[key]!r}" for key, value in sorted(kept.items()))
        raise RejectedError("param_cannot_change", field="params", run_id=run.id, logged=said)


async def _held(run_id: str, runs: Runs) -> Run:
    run = _known(run_id, await runs.hold(run_id))
    run.must_be_active()
    return run


def _known(run_id: str, run: Run | None) -> Run:
    if run is None:
        raise RejectedError("run_not_found", run_id=run_id)
    return run


def _state(run: Run) -> RunState:
    return RunState(name=run.name, status=run.status.value, ended_ms=run.ended_ms)


def _clipped(texts: Mapping[str, str], longest: int) -> dict[str, str]:
    return {key: value[:longest] for key, value in texts.items()}
