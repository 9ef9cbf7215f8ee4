"""What training does with what becomes of its candidates, and with the loss of the champion's quality."""

from collections.abc import Sequence

from contracts.jobs import ChampionRef
from contracts.message import Message
from contracts.monitoring import QualityDegraded
from contracts.registry import ModelVersionDemoted, ModelVersionPromoted, ModelVersionRejected, PromotionKind
from contracts.training import RefusedRetraining, RetrainingEscalated
from services.chassis.errors import TransientError
from services.chassis.subscriptions import Cause
from services.training.domain import Pipeline
from services.training.ports import Pipelines, Runs
from services.training.run import Run
from services.training.situations import refused_in_a_row
from services.training.standing import JUDGES, Degradation, Outcome, Verdict, escalates

MAX_TOLD = 20


async def on_model_version_promoted(
    event: ModelVersionPromoted, pipelines: Pipelines, runs: Runs, cause: Cause
) -> list[Message]:
    """Keep the champion: the next candidate is compared with it. A run that led to it ends every backoff."""
    pipeline = await known(event.pipeline, pipelines)
    champion = ChampionRef(version=event.version, bundle_uri=event.bundle_uri, bundle_digest=event.bundle_digest)
    degraded = pipeline.degraded if pipeline.degraded and pipeline.degraded.version == event.version else None
    await pipelines.save(pipeline.model_copy(update={"champion": champion, "degraded": degraded}))
    # To go back to a version says nothing of what training it again would give.
    if event.kind is not PromotionKind.ROLLBACK:
        at = event.decided_at or cause.said_at
        verdict = Verdict(
            outcome=Outcome.PROMOTED, version=event.version, by=event.promoted_by, reason=event.reason, at=at
        )
        await _judge(await runs.claim(event.run_id), pipeline, verdict, runs)
    return []


async def on_model_version_rejected(
    event: ModelVersionRejected, pipelines: Pipelines, runs: Runs, cause: Cause
) -> list[Message]:
    """Note that a run led to no better model, and tell a person where that goes on while quality is lost."""
    pipeline = await known(event.pipeline, pipelines)
    verdict = Verdict(
        outcome=Outcome.REFUSED if event.rejected_by in JUDGES else Outcome.DECLINED,
        version=event.version,
        by=event.rejected_by,
        reason=event.reason,
        at=event.decided_at or cause.said_at,
    )
    await _judge(await runs.claim(event.run_id), pipeline, verdict, runs)
    return await escalate(pipeline, pipelines, runs)


async def on_model_version_demoted(
    event: ModelVersionDemoted, pipelines: Pipelines, runs: Runs, cause: Cause
) -> list[Message]:
    """Compare with no champion where none is left; one that takes its place is promoted.

    The run that led to the version turns out to have led to no better model.
    """
    pipeline = await known(event.pipeline, pipelines)
    if event.champion_version is None and pipeline.champion and pipeline.champion.version == event.version:
        pipeline = pipeline.model_copy(update={"champion": None})
        await pipelines.save(pipeline)
    verdict = Verdict(
        outcome=Outcome.REFUSED,
        version=event.version,
        by=event.demoted_by,
        reason=event.reason,
        at=event.decided_at or cause.said_at,
    )
    await _judge(await runs.of_version(event.pipeline, event.version), pipeline, verdict, runs)
    return await escalate(pipeline, pipelines, runs)


async def note_degradation(event: QualityDegraded, reason: str, pipeline: Pipeline, pipelines: Pipelines) -> Pipeline:
    """Remember since when the champion's quality is lost; what is said of another version changes nothing."""
    if pipeline.champion and pipeline.champion.version != event.version:
        return pipeline
    known_since = pipeline.degraded.since if pipeline.degraded and pipeline.degraded.version == event.version else None
    since = min(filter(None, (known_since, event.window_end)))
    degraded = Degradation(version=event.version, since=since, reason=reason)
    pipeline = pipeline.model_copy(update={"degraded": degraded})
    await pipelines.save(pipeline)
    return pipeline


async def escalate(pipeline: Pipeline, pipelines: Pipelines, runs: Runs) -> list[Message]:
    """Tell a person, once a row, that quality is lost and training again does not bring it back."""
    degraded = pipeline.degraded
    if degraded is None:
        return []
    refused = await refused_in_a_row(pipeline, runs)
    decided = [run.verdict.at for run in refused if run.verdict]
    if not escalates(decided, pipeline.escalated_at, after=pipeline.definition.retraining.escalate_after):
        return []
    await pipelines.save(pipeline.model_copy(update={"escalated_at": decided[0]}))
    return [
        RetrainingEscalated(
            pipeline=pipeline.name,
            champion_version=pipeline.champion.version if pipeline.champion else None,
            degraded_version=degraded.version,
            degraded_since=degraded.since,
            quality=degraded.reason,
            refused=len(refused),
            refusals=_told(refused[:MAX_TOLD]),
        )
    ]


async def known(name: str, pipelines: Pipelines) -> Pipeline:
    """Claim a pipeline, which one speaks of that may be registered any moment.

    Raises:
        TransientError: It is not registered yet.
    """
    pipeline = await pipelines.claim(name)
    if pipeline is None:
        raise TransientError("pipeline_unknown", pipeline=name)
    return pipeline


async def _judge(run: Run | None, pipeline: Pipeline, verdict: Verdict, runs: Runs) -> None:
    """Note the verdict on a run's candidate; one of a version that no run here led to, changes nothing."""
    if run is None or run.pipeline != pipeline.name:
        return
    judged = run.judged(verdict)
    if judged != run:
        await runs.save(judged)


def _told(refused: Sequence[Run]) -> tuple[RefusedRetraining, ...]:
    return tuple(
        RefusedRetraining(
            run_id=run.run_id,
            kind=run.cause.kind,
            version=run.verdict.version,
            refused_by=run.verdict.by,
            reason=run.verdict.reason,
            refused_at=run.verdict.at,
        )
        for run in refused
        if run.verdict
    )
