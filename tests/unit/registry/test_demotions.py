"""What serving rolled back is champion no longer, whatever the order in which things are heard."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.pipeline import AbsoluteGate
from contracts.registry import ModelVersionDemoted, ModelVersionPromoted, PromotionKind
from contracts.serving import RolloutRolledBack
from services.registry.domain import Alias, Aliases, replay
from tests.contracts.examples import NOON, PIPELINE, ROLLOUT
from tests.fakes.registry.examples import InMemoryRegistry, pipeline_registered


@pytest.fixture
async def registry() -> InMemoryRegistry:
    """Three champions in."""
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(gates=(AbsoluteGate(metric="auc", at_least=0.6),)))
    for number in (1, 2, 3):
        await registry.succeed(number)
    return registry


def rolled_back(version: int = 3, serving: int | None = 2, **changes: Any) -> RolloutRolledBack:
    content: dict[str, Any] = {"promoted_at": NOON, "reason": "errors: 9 of 120 requests failed", **changes}
    return RolloutRolledBack(pipeline=PIPELINE, rollout_id=ROLLOUT, version=version, serving_version=serving, **content)


async def aliases(registry: InMemoryRegistry) -> Aliases:
    return replay(await registry.history.of_model(PIPELINE))


async def test_version_that_answers_is_champion_again_and_the_history_says_why(registry: InMemoryRegistry) -> None:
    demoted, promoted = await registry.hear(rolled_back())

    assert isinstance(demoted, ModelVersionDemoted)
    assert isinstance(promoted, ModelVersionPromoted)
    assert (demoted.version, demoted.champion_version) == (3, 2)
    assert (promoted.version, promoted.kind, promoted.promoted_by) == (2, PromotionKind.ROLLBACK, "serving")
    # Not back to the version that failed: a person who rolls back once more gets the one before.
    assert await aliases(registry) == Aliases(champion=2, previous=1)
    last = (await registry.history.of_model(PIPELINE))[-2]
    assert (last.alias, last.decision.by, last.decision.reason) == (
        Alias.CHAMPION,
        "serving",
        "errors: 9 of 120 requests failed",
    )


async def test_heard_twice_it_says_it_once(registry: InMemoryRegistry) -> None:
    await registry.hear(rolled_back())

    assert await registry.hear(rolled_back()) == []


async def test_nothing_is_champion_where_nothing_answers(registry: InMemoryRegistry) -> None:
    (demoted,) = await registry.hear(rolled_back(serving=None))

    assert isinstance(demoted, ModelVersionDemoted)
    assert demoted.champion_version is None
    assert await aliases(registry) == Aliases(champion=None, previous=2)


@pytest.mark.parametrize(
    "event",
    [
        rolled_back(superseded=True),
        rolled_back(version=2, serving=1),
        rolled_back(promoted_at=NOON - timedelta(minutes=1)),
        rolled_back(promoted_at=None),
        rolled_back(serving=3),
    ],
    ids=["superseded", "not the champion", "promoted again since", "said before times were", "answers all the same"],
)
async def test_champion_stays_where_it_was_not_what_failed(
    registry: InMemoryRegistry, event: RolloutRolledBack
) -> None:
    assert await registry.hear(event) == []

    assert (await aliases(registry)).champion == 3


async def test_rollouts_that_fail_one_after_the_other_lead_back_step_by_step(registry: InMemoryRegistry) -> None:
    await registry.hear(rolled_back())
    await registry.hear(rolled_back(version=2, serving=1))

    assert await aliases(registry) == Aliases(champion=1, previous=None)
