"""Values of serving for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.monitoring import QualityDegraded
from contracts.registry import ModelVersionPromoted, PromotionKind
from contracts.rollout import Guard
from services.chassis.subscriptions import Cause
from services.serving.domain import Deployment, Fleet, Held, HoldState, Replica, Rollout
from services.serving.evidence import Evidence
from services.serving.traffic import Arms, Traffic

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"


def cause(message_id: str = "promotion", *, later_s: float = 0) -> Cause:
    at = NOW + timedelta(seconds=later_s)
    return Cause(message_id, "story", at, at, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def deployment(**changes: Any) -> Deployment:
    return Deployment(
        **{
            "pipeline": "flights",
            "replicas": 1,
            "max_golden_difference": 1e-5,
            "timeout_s": 60.0,
            "registered_at": NOW,
            **changes,
        }
    )


def rollout(version: int = 1, **changes: Any) -> Rollout:
    return Rollout(
        **{
            "id": UUID(int=version),
            "pipeline": "flights",
            "version": version,
            "bundle_uri": f"/store/{version}",
            "bundle_digest": DIGEST,
            "kind": PromotionKind.GATES,
            "promoted_by": "policy:auto",
            "reason": "all gates passed",
            "cause": cause(f"promotion-{version}"),
            "requested_at": NOW + timedelta(seconds=version),
            **changes,
        }
    )


def promoted(version: int = 1) -> ModelVersionPromoted:
    return ModelVersionPromoted(
        pipeline="flights",
        version=version,
        kind=PromotionKind.GATES,
        promoted_by="policy:auto",
        reason="all gates passed",
        run_id=UUID(int=version),
        bundle_uri=f"/store/{version}",
        bundle_digest=DIGEST,
    )


def degraded(version: int) -> QualityDegraded:
    return QualityDegraded(
        pipeline="flights",
        version=version,
        window_start=NOW,
        window_end=NOW + timedelta(minutes=1),
        metric="auc",
        value=0.61,
        low=0.59,
        high=0.63,
        reference=0.71,
        threshold=0.68,
        predictions=600,
        labelled=600,
    )


def replica(name: str, of: Rollout, state: HoldState, *, answering: int | None = None, detail: str = "") -> Replica:
    return Replica(name, {of.version: Held(of.id, state, detail)}, answering)


def fleet(*replicas: Replica, failure: str | None = None) -> Fleet:
    return Fleet(replicas, failure, reachable=True)


def arms(requests: int, others: int, *, errors: int = 0, scores: tuple[float, ...] = ()) -> Arms:
    """What a candidate and its champion did, the champion without a fault."""
    mine = Traffic(requests, errors, seconds=0.01 * requests, scores=scores)
    return Arms(mine, Traffic(others, seconds=0.01 * others, scores=tuple(others * one / requests for one in scores)))


def evidence() -> Evidence:
    """What was seen in a first step, by two replicas."""
    seen = {"a": arms(4, 36, scores=(1.5, 2.5)), "b": arms(5, 45, errors=1)}
    return Evidence(score_edges=(0.5,)).begin(0, NOW, Guard()).hear(seen, Guard())
