"""People approve, reject and roll back; every wish that breaks a rule is answered with the rule."""

from typing import Any

import pytest

from contracts.message import Message
from contracts.pipeline import AbsoluteGate, Policy
from contracts.registry import (
    ApproveModelVersion,
    ModelCommandRefused,
    ModelVersionApprovalGiven,
    ModelVersionPromoted,
    ModelVersionRejected,
    PromotionKind,
    RejectModelVersion,
    RollBackModel,
)
from services.registry.domain import Alias, Aliases, replay
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import InMemoryRegistry, pipeline_registered, run_succeeded

ABOVE_SIX = (AbsoluteGate(metric="auc", at_least=0.6),)


@pytest.fixture
async def asking() -> InMemoryRegistry:
    """A registry whose pipeline asks people, with two versions waiting."""
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(policy=Policy.ASK))
    await registry.succeed(1)
    await registry.succeed(2)
    return registry


@pytest.fixture
async def automatic() -> InMemoryRegistry:
    """A registry whose pipeline asks nobody, three champions in."""
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(gates=ABOVE_SIX))
    for number in (1, 2, 3):
        await registry.succeed(number)
    return registry


async def _aliases(registry: InMemoryRegistry) -> Aliases:
    return replay(await registry.history.of_model(PIPELINE))


def _approve(version: int) -> ApproveModelVersion:
    return ApproveModelVersion(pipeline=PIPELINE, version=version, approved_by="ada", reason="looks right")


def _reject(version: int) -> RejectModelVersion:
    return RejectModelVersion(pipeline=PIPELINE, version=version, rejected_by="bob", reason="wrong holiday")


def _roll_back(version: int | None = None) -> RollBackModel:
    return RollBackModel(pipeline=PIPELINE, to_version=version, requested_by="eve", reason="complaints")


def _refusal(said: list[Message]) -> ModelCommandRefused:
    (refusal,) = said
    assert isinstance(refusal, ModelCommandRefused)
    return refusal


async def test_approved_version_is_champion_with_who_and_why(asking: InMemoryRegistry) -> None:
    given, promoted = await asking.hear(_approve(2))

    assert isinstance(given, ModelVersionApprovalGiven)
    assert (given.approved_by, given.reason, given.missing) == ("ada", "looks right", 0)
    assert isinstance(promoted, ModelVersionPromoted)
    assert (promoted.version, promoted.kind) == (2, PromotionKind.APPROVAL)
    assert (promoted.promoted_by, promoted.reason) == ("ada", "looks right")
    assert await _aliases(asking) == Aliases(champion=2)
    last = (await asking.history.of_model(PIPELINE))[-1]
    assert (last.decision.by, last.decision.reason, last.decision.at) == ("ada", "looks right", asking.now)


async def test_older_waiting_version_is_stale_once_another_is_champion(asking: InMemoryRegistry) -> None:
    """Its gates held it against a champion that is no more."""
    await asking.hear(_approve(2))

    refusal = _refusal(await asking.hear(_approve(1), message_id="the-wish"))

    assert (refusal.rule, refusal.version, refusal.requested_by) == ("champion_changed", 1, "ada")
    assert (refusal.command, refusal.command_id) == (ApproveModelVersion.subject, "the-wish")
    assert await _aliases(asking) == Aliases(champion=2)


async def test_rejected_version_challenges_no_more(asking: InMemoryRegistry) -> None:
    (refused,) = await asking.hear(_reject(2))

    assert isinstance(refused, ModelVersionRejected)
    assert (refused.version, refused.rejected_by, refused.reason) == (2, "bob", "wrong holiday")
    assert await _aliases(asking) == Aliases()
    assert _refusal(await asking.hear(_approve(2))).rule == "not_awaiting_approval"


async def test_version_that_failed_its_gates_cannot_be_approved() -> None:
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(policy=Policy.ASK))
    await registry.succeed(1, metrics={"auc": 0.4})

    assert _refusal(await registry.hear(_approve(1))).rule == "not_awaiting_approval"


@pytest.mark.parametrize("wish", [_approve(9), _reject(9), _roll_back(9)])
async def test_unknown_version_is_answered(asking: InMemoryRegistry, wish: Any) -> None:
    assert _refusal(await asking.hear(wish)).rule == "version_not_found"


@pytest.mark.parametrize("wish", [_approve(1), _reject(1), _roll_back(1)])
async def test_unknown_model_is_answered(wish: Any) -> None:
    assert _refusal(await InMemoryRegistry().hear(wish)).rule == "version_not_found"


async def test_rollback_leads_to_the_previous_champion(automatic: InMemoryRegistry) -> None:
    (promoted,) = await automatic.hear(_roll_back())

    assert isinstance(promoted, ModelVersionPromoted)
    assert (promoted.version, promoted.previous_version, promoted.kind) == (2, 3, PromotionKind.ROLLBACK)
    assert (promoted.promoted_by, promoted.reason) == ("eve", "complaints")
    assert await _aliases(automatic) == Aliases(champion=2, previous=3)


async def test_rollback_leads_to_any_earlier_champion(automatic: InMemoryRegistry) -> None:
    (promoted,) = await automatic.hear(_roll_back(1))

    assert isinstance(promoted, ModelVersionPromoted)
    assert (promoted.version, promoted.previous_version) == (1, 3)


async def test_rollback_to_a_bundle_that_no_longer_verifies_is_refused(automatic: InMemoryRegistry) -> None:
    automatic.bundles.spoilt.add(run_succeeded(1).bundle_uri)

    refusal = _refusal(await automatic.hear(_roll_back(1), message_id="the-wish"))

    assert (refusal.rule, refusal.version, refusal.command_id) == ("bundle_digest_mismatch", 1, "the-wish")
    assert (await _aliases(automatic)).champion == 3


async def test_rollback_waits_for_a_store_that_does_not_answer(automatic: InMemoryRegistry) -> None:
    found = automatic.bundles.evidence.pop(run_succeeded(2).bundle_uri)
    assert await automatic.hear(_roll_back()) == []

    automatic.bundles.evidence[run_succeeded(2).bundle_uri] = found
    automatic.now = automatic.now.replace(year=automatic.now.year + 1)
    (promoted,) = await automatic.inspect()

    assert isinstance(promoted, ModelVersionPromoted)
    assert promoted.version == 2


async def test_rollback_needs_somewhere_to_go(automatic: InMemoryRegistry) -> None:
    assert _refusal(await automatic.hear(_roll_back(3))).rule == "already_champion"

    lonely = InMemoryRegistry()
    await lonely.hear(pipeline_registered(gates=ABOVE_SIX))
    await lonely.succeed(1)
    assert _refusal(await lonely.hear(_roll_back())).rule == "no_previous_champion"


async def test_version_that_was_never_champion_is_no_way_around_the_gates(automatic: InMemoryRegistry) -> None:
    await automatic.succeed(4, metrics={"auc": 0.2})

    assert _refusal(await automatic.hear(_roll_back(4))).rule == "never_champion"


async def test_history_tells_every_move(automatic: InMemoryRegistry) -> None:
    await automatic.hear(_roll_back(1))

    moves = [(change.alias, change.number, change.decision.by) for change in await automatic.history.of_model(PIPELINE)]

    assert moves == [
        (Alias.CHAMPION, 1, "policy:auto"),
        (Alias.CHAMPION, 2, "policy:auto"),
        (Alias.PREVIOUS, 1, "policy:auto"),
        (Alias.CHAMPION, 3, "policy:auto"),
        (Alias.PREVIOUS, 2, "policy:auto"),
        (Alias.CHAMPION, 1, "eve"),
        (Alias.PREVIOUS, 3, "eve"),
    ]
