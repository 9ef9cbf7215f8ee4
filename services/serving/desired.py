"""What the service asks of replicas and what they report: the two documents on the notice board."""

from collections.abc import Iterable
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.model import Contract, Digest, PipelineName, Uri, VersionNumber
from services.serving.domain import Deployment, Held, HoldState, PredictionCounts, Replica, Rollout, RolloutState


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


class DesiredState(Contract):
    """What every replica of one model shall hold, and which of it answers."""

    pipeline: PipelineName
    versions: tuple[DesiredVersion, ...] = ()
    answering: VersionNumber | None = None
    max_golden_difference: float = 0.0
    split: Split | None = Field(default=None, description="Unset: the version that answers has all traffic.")


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
    errors: int = Field(default=0, ge=0, description="Requests the version failed to answer: a bug or no number.")
    slow: int = Field(default=0, ge=0, description="Answers that took longer than the split's slow_s.")
    seconds: float = Field(default=0.0, ge=0, description="Summed over answers, in the model, waiting not counted.")
    scores: tuple[float, ...] = Field(
        default=(),
        description="Per cell of the split's score edges, the share of an answer's rows in it, summed over answers: "
        "rows of one request are no independent draws, so each request counts once.",
    )


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

    def to_domain(self) -> Replica:
        """Give the part that decisions are made on."""
        held = {one.version: Held(one.rollout_id, one.state, one.detail) for one in self.held}
        counts = PredictionCounts(self.logged, self.waiting, self.lost)
        return Replica(self.replica, held, self.answering, counts)


def desire(deployment: Deployment, rollouts: Iterable[Rollout]) -> DesiredState:
    """Derive what replicas shall do from what is on record, so that it can be written again at any time.

    Args:
        deployment: The model.
        rollouts: Those that are not over, the one that answers and the one before it; others are ignored.
    """
    by_id = {rollout.id: rollout for rollout in rollouts}
    answering = by_id.get(deployment.answering) if deployment.answering else None
    held = [by_id[id_] for id_ in (deployment.answering, deployment.previous) if id_ in by_id]
    held += [one for one in by_id.values() if one.state in (RolloutState.LOADING, RolloutState.FLIPPING)]
    # Of two rollouts of one version the newer counts: a replica holds a version once.
    newest = {one.version: one for one in sorted(held, key=lambda one: one.requested_at)}
    return DesiredState(
        pipeline=deployment.pipeline,
        versions=tuple(
            DesiredVersion(
                version=one.version,
                rollout_id=one.id,
                bundle_uri=one.bundle_uri,
                bundle_digest=one.bundle_digest,
            )
            for _, one in sorted(newest.items())
        ),
        answering=answering.version if answering else None,
        max_golden_difference=deployment.max_golden_difference,
    )
