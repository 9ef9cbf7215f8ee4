"""A version waits for as many people as its policy asks, and not for ever."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.message import Message
from contracts.pipeline import AbsoluteGate, Policy, Promotion
from contracts.registry import (
    ApproveModelVersion,
    ModelCommandRefused,
    ModelVersionApprovalGiven,
    ModelVersionAwaitingApproval,
    ModelVersionPromoted,
    ModelVersionRejected,
    RejectModelVersion,
)
from services.chassis.errors import RejectedError
from services.registry.domain import Alias, Aliases, Decision, ModelVersion, VersionState, replay
from tests.contracts.examples import NOON, PIPELINE
from tests.fakes.registry.examples import InMemoryRegistry, evidence, pipeline_registered

DAY = timedelta(days=1)
GATES = (AbsoluteGate(metric="auc", at_least=0.6),)


async def _registry(**promotion: Any) -> InMemoryRegistry:
    """A registry whose pipeline asks people; version 1 waits."""
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(gates=GATES, policy=Policy.ASK, **promotion))
    await registry.succeed(1)
    return registry


async def _approve(registry: InMemoryRegistry, by: str, version: int = 1) -> list[Message]:
    return await registry.hear(
        ApproveModelVersion(pipeline=PIPELINE, version=version, approved_by=by, reason=f"{by} looked")
    )


async def _aliases(registry: InMemoryRegistry) -> Aliases:
    return replay(await registry.history.of_model(PIPELINE))


async def test_two_people_are_needed_where_two_are_asked() -> None:
    registry = await _registry(approvals=2)

    (first,) = await _approve(registry, "ada")
    assert isinstance(first, ModelVersionApprovalGiven)
    assert (first.approved_by, first.reason, first.missing) == ("ada", "ada looked", 1)
    assert await _aliases(registry) == Aliases(challenger=1)

    second, promoted = await _approve(registry, "bob")
    assert isinstance(second, ModelVersionApprovalGiven)
    assert second.missing == 0
    assert isinstance(promoted, ModelVersionPromoted)
    assert (promoted.version, promoted.promoted_by) == (1, "bob")
    assert await _aliases(registry) == Aliases(champion=1)
    version = await registry.versions.get(PIPELINE, 1)
    assert version
    assert [approval.by for approval in version.approvals] == ["ada", "bob"]


@pytest.mark.parametrize("again", ["ada", "Ada", " ada "])
async def test_one_person_is_not_two(again: str) -> None:
    registry = await _registry(approvals=2)
    await _approve(registry, "ada")

    (refusal,) = await _approve(registry, again)

    assert isinstance(refusal, ModelCommandRefused)
    assert refusal.rule == "already_approved_by"
    assert (await _aliases(registry)).champion is None


async def test_an_approved_version_may_still_be_rejected_by_anyone() -> None:
    registry = await _registry(approvals=2)
    await _approve(registry, "ada")

    (rejected,) = await registry.hear(
        RejectModelVersion(pipeline=PIPELINE, version=1, rejected_by="bob", reason="wrong holiday")
    )

    assert isinstance(rejected, ModelVersionRejected)
    assert await _aliases(registry) == Aliases()


async def test_a_pipeline_that_asks_less_of_later_versions_asks_no_less_of_those_that_wait() -> None:
    registry = await _registry(approvals=2)
    await registry.hear(pipeline_registered(gates=GATES, policy=Policy.ASK, approvals=1))

    (first,) = await _approve(registry, "ada")

    assert isinstance(first, ModelVersionApprovalGiven)
    assert first.missing == 1


async def test_what_is_asked_is_said() -> None:
    registry = InMemoryRegistry()
    await registry.hear(
        pipeline_registered(gates=GATES, policy=Policy.ASK, approvals=2, approval_expires_after=7 * DAY)
    )

    waiting = (await registry.succeed(1))[-1]

    assert isinstance(waiting, ModelVersionAwaitingApproval)
    assert (waiting.approvals, waiting.expires_at) == (2, NOON + 7 * DAY)
    assert waiting.reason == "passed every gate; the policy asks 2 people"


async def test_a_version_that_waited_too_long_is_rejected_for_that() -> None:
    registry = await _registry(approvals=2, approval_expires_after=7 * DAY)
    await _approve(registry, "ada")
    registry.now = NOON + 7 * DAY - timedelta(seconds=1)
    assert await registry.expire() == []

    registry.now = NOON + 7 * DAY
    (rejected,) = await registry.expire()

    assert isinstance(rejected, ModelVersionRejected)
    assert (rejected.version, rejected.rejected_by) == (1, "policy:expiry")
    assert rejected.reason == "the approval expired: 1 of 2 given by 2013-04-08 12:00 UTC"
    assert await _aliases(registry) == Aliases()
    assert (await registry.history.of_model(PIPELINE))[-1].alias is Alias.CHALLENGER
    assert await registry.expire() == []


async def test_an_approval_that_comes_too_late_is_refused_even_before_the_version_is_rejected() -> None:
    registry = await _registry(approval_expires_after=DAY)
    registry.now = NOON + DAY

    (refusal,) = await _approve(registry, "ada")

    assert isinstance(refusal, ModelCommandRefused)
    assert refusal.rule == "approval_expired"


async def test_a_version_waits_for_good_where_nothing_is_said() -> None:
    registry = await _registry()
    registry.now = NOON + 3650 * DAY

    assert await registry.expire() == []
    assert isinstance((await _approve(registry, "ada"))[-1], ModelVersionPromoted)


async def test_a_policy_that_only_tells_never_acts() -> None:
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(gates=GATES, policy=Policy.NOTIFY))
    said = await registry.succeed(1)
    registry.now = NOON + 3650 * DAY

    assert isinstance(said[-1], ModelVersionAwaitingApproval)
    assert said[-1].reason == "passed every gate; the policy tells people, who may approve it"
    assert await registry.expire() == []
    assert await _aliases(registry) == Aliases(challenger=1)


@pytest.mark.parametrize("policy", [Policy.AUTO, Policy.NOTIFY])
def test_only_what_is_asked_can_expire(policy: Policy) -> None:
    with pytest.raises(ValidationError, match="policy ask"):
        Promotion(gates=GATES, policy=policy, approval_expires_after=DAY)


def _waiting(needed: int) -> ModelVersion:
    found = evidence(1)
    return ModelVersion(
        pipeline=PIPELINE,
        number=1,
        bundle_uri=found.report.bundle_uri,
        bundle_digest=found.report.bundle_digest,
        manifest=found.manifest,
        report=found.report,
        card=found.card,
        verdicts=(),
        registered_at=NOON,
        state=VersionState.AWAITING_APPROVAL,
        approvals_needed=needed,
    )


@given(people=st.lists(st.sampled_from(["ada", "Ada", "bob", "eve"]), max_size=6), needed=st.integers(1, 2))
@settings(deadline=None)
def test_promotion_takes_as_many_different_people_as_asked(people: list[str], needed: int) -> None:
    version = _waiting(needed)
    refused = 0

    for person in people:
        try:
            version = version.approved(Decision(person, "fine", NOON), champion=None)
        except RejectedError:
            refused += 1

    different = {person.casefold() for person in people}
    assert (version.state is VersionState.PROMOTED) == (len(different) >= needed)
    assert len({given.by.casefold() for given in version.approvals}) == len(version.approvals) <= needed
    assert refused == len(people) - len(version.approvals)
