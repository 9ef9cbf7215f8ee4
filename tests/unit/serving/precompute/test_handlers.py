"""Serving keeps what shall be precomputed of which rows, and does what a person says."""

from typing import Any

import pytest

from contracts.message import Message
from contracts.pipeline import Column, ColumnRole, ColumnType, PipelineDefinition
from contracts.precompute import PrecomputationFailed, PrecomputationFailure, Precompute, StartPrecomputation
from services.serving.precompute.domain import State
from services.serving.precompute.handlers import keep_rules, on_dataset_ingested, start_precomputation
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import cause
from tests.fakes.serving.plans import InMemoryPlans
from tests.fakes.serving.precomputations import InMemoryPrecomputations
from tests.fakes.serving.rollouts import InMemoryRollouts
from tests.fixtures.bundles import DEFINITION
from tests.unit.serving.precompute.examples import answers, ingested, one, plan


class World:
    def __init__(self) -> None:
        self.plans = InMemoryPlans()
        self.precomputations = InMemoryPrecomputations()
        self.deployments = InMemoryDeployments()
        self.rollouts = InMemoryRollouts()

    async def start(self, message_id: str = "asked") -> list[Message]:
        command = StartPrecomputation(pipeline="flights", requested_by="ada", reason="before the holidays")
        return await start_precomputation(
            command, self.plans, self.precomputations, self.deployments, self.rollouts, cause(message_id)
        )


def definition(**precompute: Any) -> PipelineDefinition:
    dataset = DEFINITION.dataset
    named = dataset.model_copy(
        update={"columns": (*dataset.columns, Column(name="id", type=ColumnType.STRING, role=ColumnRole.ID))}
    )
    return PipelineDefinition(**{**dict(DEFINITION), "dataset": named, "precompute": Precompute(**precompute)})


async def test_rules_and_rows_are_kept_whichever_comes_first() -> None:
    plans, other = InMemoryPlans(), InMemoryPlans()

    await keep_rules(definition(), plans)
    await on_dataset_ingested(ingested().model_copy(update={"pipeline": "tiny"}), plans, cause())
    await on_dataset_ingested(ingested().model_copy(update={"pipeline": "tiny"}), other, cause())
    await keep_rules(definition(), other)

    kept = await plans.get("tiny")
    assert kept is not None
    assert kept == await other.get("tiny")
    assert (kept.key, kept.dataset and kept.dataset.rows) == (("id",), 100)


async def test_an_older_dataset_version_that_comes_late_changes_nothing() -> None:
    plans = InMemoryPlans()
    await on_dataset_ingested(ingested(2, rows=200), plans, cause())

    await on_dataset_ingested(ingested(1), plans, cause())

    kept = await plans.get("flights")
    assert kept is not None
    assert kept.dataset is not None
    assert (kept.dataset.ref.version, kept.dataset.rows) == (2, 200)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"key": ("gate",)}, "not declared: gate"),
        ({"key": ("x",)}, "a number is no key: x"),
    ],
)
def test_a_key_that_names_no_row_is_refused_when_it_is_declared(rules: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        definition(**rules)


def test_a_pipeline_without_ids_must_say_what_names_a_row() -> None:
    with pytest.raises(ValueError, match="precompute needs a key"):
        PipelineDefinition(**{**dict(DEFINITION), "precompute": Precompute()})


async def test_a_person_starts_one_and_asking_again_starts_no_second() -> None:
    world = World()
    await world.plans.save(plan())
    await answers(1, world.deployments, world.rollouts)

    assert await world.start() == []
    assert await world.start() == []
    assert await world.start("asked again") == []

    (known,) = await world.precomputations.recent()
    assert (known.state, known.version, known.rows) == (State.PENDING, 1, 100)
    assert (known.requested_by, known.reason) == ("ada", "before the holidays")


async def test_a_person_can_have_the_same_computed_again_once_it_is_over() -> None:
    world = World()
    await world.plans.save(plan())
    await answers(1, world.deployments, world.rollouts)
    await world.precomputations.save(one(state=State.COMPLETED))

    await world.start()

    assert len(await world.precomputations.open()) == 1


async def test_what_cannot_be_started_says_everything_that_lacks() -> None:
    world = World()

    (refused,) = await world.start()

    assert isinstance(refused, PrecomputationFailed)
    assert refused.reason is PrecomputationFailure.REFUSED
    assert refused.detail == "the pipeline declares no precompute, and no dataset is there, and no version answers"
