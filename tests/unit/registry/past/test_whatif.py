"""Other gates on recorded reports: what is sure is told, and what nobody can know is called unknown."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.pipeline import AbsoluteGate, ChampionGate, Gate, Policy
from contracts.registry import ApproveModelVersion, RejectModelVersion, RollBackModel
from services.registry.domain import replay
from services.registry.past.whatif import Outcome, suppose
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import InMemoryRegistry, pipeline_registered

LOW, HIGH = AbsoluteGate(metric="auc", at_least=0.6), AbsoluteGate(metric="auc", at_least=0.8)
BETTER = ChampionGate(metric="auc", margin=0.0)
WISH = {"pipeline": PIPELINE, "reason": "because"}
MOVES = st.sampled_from(["nothing", "be late", "approve", "reject", "roll back"])


@pytest.fixture
def registry() -> InMemoryRegistry:
    return InMemoryRegistry()


async def run(registry: InMemoryRegistry, number: int, auc: float, champion: int | None = None) -> None:
    """Let a run succeed, a minute after whatever was before."""
    registry.now += timedelta(minutes=1)
    rival = {"champion_version": champion, "champion_metrics": {"auc": 0.75}} if champion else {}
    await registry.succeed(number, metrics={"auc": auc}, **rival)
    registry.now += timedelta(minutes=1)


async def differing(registry: InMemoryRegistry, *gates: Gate, policy: Policy = Policy.AUTO) -> dict[int, Outcome]:
    versions, history = await registry.versions.of_model(PIPELINE), await registry.history.of_model(PIPELINE)
    return {each.number: each.would for each in suppose(versions, history, gates, policy) if each.differs}


@settings(max_examples=30, deadline=None)
@given(policy=st.sampled_from(Policy), course=st.lists(st.tuples(st.sampled_from([0.5, 0.7, 0.8]), MOVES), max_size=8))
async def test_same_gates_change_nothing(policy: Policy, course: list[tuple[float, str]]) -> None:
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(gates=(LOW, BETTER), policy=policy))
    for number, (auc, move) in enumerate(course, start=1):
        aliases = replay(await registry.history.of_model(PIPELINE))
        # Where it is compared with a champion of before, that it was refused for it is what happened.
        await run(registry, number, auc, champion=aliases.previous if move == "be late" else aliases.champion)
        match move:
            case "approve":
                await registry.hear(ApproveModelVersion(version=number, approved_by="ada", **WISH))
            case "reject":
                await registry.hear(RejectModelVersion(version=number, rejected_by="ada", **WISH))
            case "roll back":
                await registry.hear(RollBackModel(requested_by="ada", **WISH))

    assert await differing(registry, LOW, BETTER, policy=policy) == {}


async def test_comparison_with_who_would_not_have_been_champion_tells_nothing(registry: InMemoryRegistry) -> None:
    await registry.hear(pipeline_registered(gates=(LOW, BETTER)))
    await run(registry, 1, 0.7)
    await run(registry, 2, 0.85, champion=1)
    await run(registry, 3, 0.7, champion=2)

    assert await differing(registry, HIGH) == {1: Outcome.REFUSED}
    assert await differing(registry, HIGH, BETTER) == {1: Outcome.REFUSED, 2: Outcome.UNKNOWN}


async def test_what_was_refused_would_be_promoted_or_ask_a_person(registry: InMemoryRegistry) -> None:
    await registry.hear(pipeline_registered(gates=(HIGH,)))
    await run(registry, 1, 0.7)

    assert await differing(registry, LOW) == {1: Outcome.PROMOTED}
    assert await differing(registry, LOW, policy=Policy.ASK) == {1: Outcome.WAITING}


async def test_what_people_decided_stands_where_they_would_have_been_asked(registry: InMemoryRegistry) -> None:
    await registry.hear(pipeline_registered(gates=(LOW,), policy=Policy.ASK))
    for number in (1, 2, 3):
        await run(registry, number, 0.7)
    await registry.hear(ApproveModelVersion(version=1, approved_by="ada", **WISH))
    await registry.hear(RejectModelVersion(version=2, rejected_by="ada", **WISH))

    assert await differing(registry, AbsoluteGate(metric="auc", at_least=0.65)) == {}
    refused = dict.fromkeys((1, 3), Outcome.REFUSED)
    assert await differing(registry, HIGH) == refused


async def test_champions_of_rollbacks_are_followed(registry: InMemoryRegistry) -> None:
    await registry.hear(pipeline_registered(gates=(LOW,)))
    await run(registry, 1, 0.85)
    await run(registry, 2, 0.7)
    await registry.hear(RollBackModel(pipeline=PIPELINE, requested_by="eve", reason="complaints"))
    await run(registry, 3, 0.9, champion=1)

    # Version 2 would not have been champion; after the rollback nobody asks any more.
    assert await differing(registry, HIGH, BETTER) == {2: Outcome.REFUSED}


async def test_what_was_never_measured_is_not_guessed(registry: InMemoryRegistry) -> None:
    await registry.hear(pipeline_registered(gates=(LOW,)))
    await run(registry, 1, 0.7)

    assert await differing(registry, AbsoluteGate(metric="brier", at_most=0.2)) == {1: Outcome.UNKNOWN}
    assert await differing(registry, HIGH, AbsoluteGate(metric="brier", at_most=0.2)) == {1: Outcome.REFUSED}
