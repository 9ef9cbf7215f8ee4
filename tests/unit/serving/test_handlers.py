"""Promotions become rollouts, one each, and the newest counts."""

from dataclasses import replace

import pytest

from contracts.registered_models import ModelAliasMoved
from contracts.registry import PromotionKind
from contracts.serving import RolloutRolledBack
from contracts.training import CodeSnapshot, PipelineRegistered
from services.chassis.errors import RejectedError, TransientError
from services.serving.domain import ALL_AT_ONCE, RolloutState
from services.serving.handlers import on_alias_moved, on_pipeline_registered, on_version_promoted
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import DIGEST, NOW, cause, deployment, promoted, rollout
from tests.fakes.serving.plans import InMemoryPlans
from tests.fakes.serving.rollouts import InMemoryRollouts
from tests.fixtures.bundles import DEFINITION


async def test_registered_pipeline_becomes_a_deployment_without_a_version() -> None:
    deployments = InMemoryDeployments()

    assert await on_pipeline_registered(registered(), deployments, InMemoryPlans(), cause()) == []

    (known,) = await deployments.all()
    assert (known.pipeline, known.timeout_s, known.answering) == ("tiny", 60.0, None)


async def test_pipeline_registered_again_keeps_what_answers() -> None:
    deployments = InMemoryDeployments()
    await deployments.save(deployment(pipeline="tiny", answering=rollout().id, timeout_s=1.0))

    await on_pipeline_registered(registered(), deployments, InMemoryPlans(), cause())

    (known,) = await deployments.all()
    assert (known.answering, known.timeout_s) == (rollout().id, 60.0)


async def test_promotion_of_an_unknown_pipeline_is_tried_again() -> None:
    with pytest.raises(TransientError, match="pipeline unknown"):
        await on_version_promoted(promoted(), InMemoryDeployments(), InMemoryRollouts(), cause())


async def test_a_logged_champion_that_can_be_served_is_deployed_and_rolled_out_at_once() -> None:
    deployments, rollouts = InMemoryDeployments(), InMemoryRollouts()
    moved = ModelAliasMoved(pipeline="churn", alias="champion", version=1, moved_by="mlflow", reason="waived", at=NOW)
    served = {"kind": PromotionKind.WAIVER, "bundle_uri": "/store/logged/1", "bundle_digest": DIGEST}

    unserved = moved.model_copy(update={"not_served": "a pickle"})
    assert await on_alias_moved(unserved, deployments, rollouts, cause()) == []
    assert await deployments.all() == []
    assert await on_alias_moved(moved.model_copy(update=served), deployments, rollouts, cause()) == []

    (known,) = await deployments.all()
    assert (known.pipeline, known.plan, known.answering) == ("churn", ALL_AT_ONCE, None)
    (one,) = await rollouts.open("churn")
    assert (one.version, one.bundle_uri, one.kind, one.reason) == (1, "/store/logged/1", PromotionKind.WAIVER, "waived")

    gone = moved.model_copy(update={"version": None, "previous_version": 1, "retired": True})
    (ended,) = await on_alias_moved(gone, deployments, rollouts, cause("gone"))

    assert isinstance(ended, RolloutRolledBack)
    assert (ended.superseded, ended.reason) == (True, "the model was deleted")
    assert await deployments.all() == await rollouts.open("churn") == []


async def test_promotion_asks_for_a_rollout_that_remembers_why() -> None:
    deployments, rollouts = await known()

    assert await on_version_promoted(promoted(3), deployments, rollouts, cause()) == []

    (one,) = await rollouts.open("flights")
    assert (one.version, one.state, one.reason) == (3, RolloutState.PENDING, "all gates passed")
    assert one.cause == cause()


async def test_newer_promotion_ends_the_rollout_that_waits() -> None:
    deployments, rollouts = await known()
    await on_version_promoted(promoted(1), deployments, rollouts, cause("one"))
    (waiting,) = await rollouts.open("flights")

    facts = await on_version_promoted(promoted(2), deployments, rollouts, cause("two"))

    assert facts == [
        RolloutRolledBack(
            pipeline="flights",
            rollout_id=waiting.id,
            version=1,
            reason="superseded by version 2",
            superseded=True,
            promoted_at=waiting.requested_at,
        )
    ]
    assert [one.version for one in await rollouts.open("flights")] == [2]


async def test_rollout_that_already_has_traffic_is_finished_first() -> None:
    deployments, rollouts = await known()
    await rollouts.save(replace(rollout(1), state=RolloutState.FLIPPING))

    assert await on_version_promoted(promoted(2), deployments, rollouts, cause("two", later_s=9)) == []

    assert [one.version for one in await rollouts.open("flights")] == [1, 2]


async def test_promotion_replayed_after_a_later_one_is_refused() -> None:
    deployments, rollouts = await known()
    await on_version_promoted(promoted(3), deployments, rollouts, cause("three", later_s=60))

    with pytest.raises(RejectedError, match="promotion outdated: version=2, newest_version=3"):
        await on_version_promoted(promoted(2), deployments, rollouts, replace(cause("two"), replayed=True))

    assert [one.version for one in await rollouts.recent()] == [3]


async def test_promotion_replayed_before_any_later_one_is_rolled_out() -> None:
    deployments, rollouts = await known()
    await on_version_promoted(promoted(1), deployments, rollouts, cause("one"))

    await on_version_promoted(promoted(2), deployments, rollouts, replace(cause("two", later_s=60), replayed=True))

    assert [one.version for one in await rollouts.open("flights")] == [2]


async def test_promotion_that_comes_in_its_turn_counts_whatever_the_registrys_clock_did() -> None:
    deployments, rollouts = await known()
    await on_version_promoted(promoted(1), deployments, rollouts, cause("one", later_s=60))

    await on_version_promoted(promoted(2), deployments, rollouts, cause("two"))

    assert [one.version for one in await rollouts.open("flights")] == [2]


async def known() -> tuple[InMemoryDeployments, InMemoryRollouts]:
    deployments = InMemoryDeployments()
    await deployments.save(deployment())
    return deployments, InMemoryRollouts()


def registered() -> PipelineRegistered:
    return PipelineRegistered(pipeline="tiny", definition=DEFINITION, code=CodeSnapshot(uri="/code", digest=DIGEST))
