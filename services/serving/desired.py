"""What the service asks of replicas and what they report: the two documents on the notice board."""

from collections.abc import Iterable
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.model import Contract, Digest, PipelineName, Uri, VersionNumber
from services.serving.domain import (
    OPEN,
    WATCHED,
    Deployment,
    Held,
    HoldState,
    PredictionCounts,
    Replica,
    Rollout,
    RolloutState,
)
from services.serving.traffic import Traffic


class DesiredVersion(Contract):
    """A version a replica shall hold, verified and ready."""

    version: VersionNumber
    rollout_id: UUID = Field(description="A new one asks the replica to verify again, even what it holds.")
    bundle_uri: Uri
    bundle_digest: Digest


class Split(Contract):
    """How traffic is shared between the version that answers and a candidate, and what is counted of both.

    Replicas count per step: a new rollout or step starts from zero, so that counts add up over replicas. Nothing
    else starts them anew: slow_s becomes known, and the version that answers changes, within a step.
    """

    rollout_id: UUID
    step: int = Field(ge=0)
    candidate: VersionNumber
    shadow: bool = Field(default=False, description="The candidate is asked a copy, and its answer goes nowhere.")
    share: float = Field(
        default=0.0, ge=0, le=1, description="Of routing keys: those the candidate answers, or is asked a copy of."
    )
    slow_s: float | None = Field(default=None, gt=0, description="An answer that took longer is counted as slow.")
    score_edges: tuple[float, ...] = Field(
        default=(), max_length=64, description="Ascending. Score x is counted in cell searchsorted(edges, x, 'right')."
    )


class DesiredLookup(Contract):
    """Scores that the version which answers has given in advance, to be mapped by every replica."""

    precomputation_id: UUID
    version: VersionNumber
    uri: Uri
    digest: Digest
    max_age_s: float | None = Field(default=None, gt=0, description="From then on a row is stale; unset: never.")


class DesiredState(Contract):
    """What every replica of one model shall hold, and which of it answers."""

    pipeline: PipelineName
    versions: tuple[DesiredVersion, ...] = ()
    answering: VersionNumber | None = None
    keep: tuple[DesiredVersion, ...] = Field(
        default=(), description="Earlier versions, the newest first: held while there is memory, for who names them."
    )
    max_golden_difference: float = 0.0
    idle: bool = Field(default=False, description="No replica at all is right while nobody asks.")
    split: Split | None = Field(default=None, description="Unset: the version that answers has all traffic.")
    lookup: DesiredLookup | None = Field(default=None, description="Unset: nothing is looked up.")


class HeldVersion(Contract):
    """What a replica has made of one version."""

    version: VersionNumber
    rollout_id: UUID
    state: HoldState
    detail: str = Field(default="", max_length=1500)


class VersionTraffic(Contract):
    """What one replica counted of one version during one step of a rollout."""

    rollout_id: UUID
    step: int = Field(ge=0)
    version: VersionNumber
    requests: int = Field(default=0, ge=0, description="That named no version; errors among them, refusals not.")
    errors: int = Field(
        default=0,
        ge=0,
        description="Requests the version failed to answer: a bug, no number, or a candidate that refuses what the "
        "version that answers would take.",
    )
    slow: int = Field(default=0, ge=0, description="Answers that took longer than the split's slow_s.")
    seconds: float = Field(default=0.0, ge=0, description="Summed over answers, in the model, waiting not counted.")
    scores: tuple[float, ...] = Field(
        default=(),
        description="Per cell of the split's score edges, the share of an answer's rows in it, summed over answers: "
        "rows of one request are no independent draws, so each request counts once.",
    )

    def to_domain(self) -> Traffic:
        """Give the counts."""
        return Traffic(self.requests, self.errors, self.slow, self.seconds, self.scores)


class MessageCounts(Contract):
    """What one replica did on the broker since its start, and what the broker last said is waiting for any of them."""

    replied: int = Field(default=0, ge=0, description="Requests with a reply that were answered, errors among them.")
    reply_errors: int = Field(default=0, ge=0)
    refused: int = Field(default=0, ge=0, description="Requests with a reply that came while too many were in hand.")
    requests_completed: int = Field(default=0, ge=0, description="Queued requests that were answered.")
    requests_failed: int = Field(default=0, ge=0)
    requests_waiting: int = Field(default=0, ge=0, description="Queued requests that no replica took yet.")
    rows_scored: int = Field(default=0, ge=0, description="Messages of the stream of rows that were answered.")
    rows_waiting: int = Field(default=0, ge=0, description="Messages of it that no replica took yet.")
    dead_letters: int = Field(default=0, ge=0)


class ReplicaLoad(Contract):
    """What one replica does now, and did since it started."""

    requests: int = Field(default=0, ge=0, description="Answered, since the start.")
    failed: int = Field(default=0, ge=0, description="Not answered though they were no one's fault but the model's.")
    refused: int = Field(default=0, ge=0, description="Because there were too many, since the start.")
    calls: int = Field(default=0, ge=0, description="Of models: fewer than requests, as requests share them.")
    requests_now: int = Field(default=0, ge=0, description="Under way.")
    rows_now: int = Field(default=0, ge=0, description="Under way.")
    copies: int = Field(default=0, ge=0, description="Asked of a shadow, since the start.")
    copies_dropped: int = Field(default=0, ge=0, description="Not asked of a shadow, because it was busy.")


class ReplicaReport(Contract):
    """What a replica says of itself, at every change and as a sign of life."""

    pipeline: PipelineName
    replica: str
    at: AwareDatetime
    held: tuple[HeldVersion, ...] = ()
    answering: VersionNumber | None = None
    logged: int = Field(default=0, ge=0, description="Predictions in the log, in rows.")
    waiting: int = Field(default=0, ge=0, description="Predictions on their way into the log, in rows.")
    lost: int = Field(default=0, ge=0, description="Predictions that will never be in the log, in rows.")
    traffic: tuple[VersionTraffic, ...] = Field(default=(), description="Of the split that is desired now.")
    load: ReplicaLoad = ReplicaLoad()
    messages: MessageCounts = MessageCounts()
    lookup: UUID | None = Field(default=None, description="The precomputation whose scores are looked up here.")

    def to_domain(self) -> Replica:
        """Give the part that decisions are made on."""
        held = {one.version: Held(one.rollout_id, one.state, one.detail) for one in self.held}
        counts = PredictionCounts(self.logged, self.waiting, self.lost)
        traffic = {(one.rollout_id, one.step, one.version): one.to_domain() for one in self.traffic}
        return Replica(self.replica, held, self.answering, counts, traffic)


def desire(deployment: Deployment, rollouts: Iterable[Rollout]) -> DesiredState:
    """Derive what replicas shall do from what is on record, so that it can be written again at any time.

    Args:
        deployment: The model.
        rollouts: Those that are not over, the one that answers, the one before it, and earlier ones: of these the
            versions that once answered are kept.
    """
    by_id = {rollout.id: rollout for rollout in rollouts}
    answering = by_id.get(deployment.answering) if deployment.answering else None
    held = [by_id[id_] for id_ in (deployment.answering, deployment.previous) if id_ in by_id]
    held += [one for one in by_id.values() if one.state in OPEN and one.state is not RolloutState.PENDING]
    # Of two rollouts of one version the newer counts: a replica holds a version once.
    newest = {one.version: one for one in sorted(held, key=lambda one: one.requested_at)}
    completed = [one for one in by_id.values() if one.state is RolloutState.COMPLETED and one.version not in newest]
    keep = {one.version: one for one in sorted(completed, key=lambda one: one.requested_at)}
    watched = next((one for one in held if one.state in WATCHED), None)
    return DesiredState(
        pipeline=deployment.pipeline,
        versions=tuple(_version(one) for _, one in sorted(newest.items())),
        answering=answering.version if answering else None,
        keep=tuple(_version(one) for _, one in sorted(keep.items(), reverse=True)),
        max_golden_difference=deployment.max_golden_difference,
        idle=deployment.fewest_replicas == 0,
        split=_split(watched) if watched else None,
    )


def _version(rollout: Rollout) -> DesiredVersion:
    return DesiredVersion(
        version=rollout.version,
        rollout_id=rollout.id,
        bundle_uri=rollout.bundle_uri,
        bundle_digest=rollout.bundle_digest,
    )


def _split(rollout: Rollout) -> Split:
    stage = rollout.stage
    # While it bakes the new version answers, and the former one is asked the copies: compared with, as before.
    asked = rollout.previous_version if stage.kind == "bake" else rollout.version
    assert asked is not None, "only a version that has another to be held against is watched"
    return Split(
        rollout_id=rollout.id,
        step=rollout.evidence.present.step,
        candidate=asked,
        shadow=stage.kind != "canary",
        share=stage.share,
        slow_s=rollout.evidence.slow_s,
        score_edges=rollout.evidence.score_edges,
    )
