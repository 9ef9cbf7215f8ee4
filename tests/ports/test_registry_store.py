"""The registry's ports keep what they were given: in memory, in SQLite, in PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from contracts.pipeline import Policy
from services.registry.domain import Alias, AliasChange, Decision, Inspection, Model, ModelVersion, VersionState
from services.registry.gates import judge
from services.registry.ports import AliasHistory, Inspections, Models, Versions
from services.registry.rows import Row
from services.registry.store import SqlAliasHistory, SqlInspections, SqlModels, SqlVersions
from tests.contracts.examples import GATES, NOON, PIPELINE, definition, digest
from tests.fakes.registry.alias_history import InMemoryAliasHistory
from tests.fakes.registry.examples import cause, evidence, run_id, run_succeeded
from tests.fakes.registry.inspections import InMemoryInspections
from tests.fakes.registry.models import InMemoryModels
from tests.fakes.registry.versions import InMemoryVersions
from tests.fixtures.adapters import Adapters

ADA = Decision("ada", "looks right", NOON)


@dataclass
class Ports:
    """The ports of one transaction."""

    models: Models
    versions: Versions
    history: AliasHistory
    inspections: Inspections


Open = Callable[[], AbstractAsyncContextManager[Ports]]


@pytest.fixture
async def open_(adapters: Adapters) -> Open:
    """Opens a transaction on the ports, with the story's pipeline known."""
    transaction = await adapters(
        Row,
        Ports(InMemoryModels(), InMemoryVersions(), InMemoryAliasHistory(), InMemoryInspections()),
        lambda session: Ports(
            SqlModels(session), SqlVersions(session), SqlAliasHistory(session), SqlInspections(session)
        ),
    )
    async with transaction() as ports:
        await ports.models.put(_model())
    return transaction


def _model(policy: Policy = Policy.AUTO) -> Model:
    return Model(PIPELINE, definition(policy=policy), registered_at=NOON)


def _version(number: int) -> ModelVersion:
    found, run = evidence(number), run_succeeded(number)
    return ModelVersion(
        pipeline=PIPELINE,
        number=number,
        bundle_uri=run.bundle_uri,
        bundle_digest=digest("b"),
        manifest=found.manifest,
        report=found.report,
        card=found.card,
        verdicts=judge(GATES, found.report, champion=None),
        registered_at=NOON,
        state=VersionState.AWAITING_APPROVAL,
    )


async def test_model_comes_back_with_its_newest_definition(open_: Open) -> None:
    async with open_() as ports:
        await ports.models.put(_model(Policy.ASK))

    async with open_() as ports:
        assert await ports.models.get(PIPELINE) == _model(Policy.ASK)
        assert await ports.models.hold(PIPELINE) == _model(Policy.ASK)
        assert await ports.models.all() == [_model(Policy.ASK)]
        assert await ports.models.get("other") is None
        assert await ports.models.hold("other") is None


async def test_numbers_count_up_whatever_happens_to_the_definition(open_: Open) -> None:
    taken = []
    for _ in range(3):
        async with open_() as ports:
            await ports.models.hold(PIPELINE)
            taken.append(await ports.models.next_number(PIPELINE))
            await ports.models.put(_model(Policy.ASK))

    assert taken == [1, 2, 3]


async def test_a_number_may_be_asked_for_that_was_never_given(open_: Open) -> None:
    taken = []
    for at_least in (1, 7, 3, 1):
        async with open_() as ports:
            await ports.models.hold(PIPELINE)
            taken.append(await ports.models.next_number(PIPELINE, at_least=at_least))

    assert taken == [1, 7, 8, 9]


async def test_version_comes_back_whole(open_: Open) -> None:
    async with open_() as ports:
        await ports.versions.add(_version(1))
        await ports.versions.add(_version(2))

    async with open_() as ports:
        assert await ports.versions.get(PIPELINE, 1) == _version(1)
        assert await ports.versions.of_run(run_id(2)) == _version(2)
        assert await ports.versions.of_model(PIPELINE) == [_version(2), _version(1)]
        assert await ports.versions.get(PIPELINE, 3) is None
        assert await ports.versions.of_run(run_id(3)) is None
        assert await ports.versions.of_model("other") == []


async def test_only_state_and_decision_of_a_version_change(open_: Open) -> None:
    async with open_() as ports:
        await ports.versions.add(_version(1))
    decided = replace(_version(1), state=VersionState.PROMOTED, decision=ADA)

    async with open_() as ports:
        await ports.versions.put(replace(decided, card="another"))

    async with open_() as ports:
        assert await ports.versions.get(PIPELINE, 1) == decided


async def test_approvals_and_their_time_limit_are_kept(open_: Open) -> None:
    bob = Decision("bob", "me too", NOON + timedelta(minutes=1))
    waiting = replace(_version(1), approvals_needed=2, expires_at=NOON + timedelta(days=7))
    async with open_() as ports:
        await ports.versions.add(waiting)
        await ports.versions.add(_version(2))

    for approvals in ((ADA,), (ADA, bob)):
        async with open_() as ports:
            await ports.versions.put(replace(waiting, approvals=approvals))
        async with open_() as ports:
            assert await ports.versions.get(PIPELINE, 1) == replace(waiting, approvals=approvals)


async def test_who_waits_for_longer_than_it_may_is_found(open_: Open) -> None:
    end = NOON + timedelta(days=7)
    waiting = replace(_version(1), expires_at=end)
    decided = replace(_version(2), expires_at=end, state=VersionState.PROMOTED, decision=ADA)
    async with open_() as ports:
        for version in (waiting, decided, _version(3)):
            await ports.versions.add(version)

    async with open_() as ports:
        assert await ports.versions.overdue(end - timedelta(microseconds=1)) == []
        assert await ports.versions.overdue(end) == [waiting]


async def test_history_keeps_its_order(open_: Open) -> None:
    moves = tuple(AliasChange(alias, number, ADA) for number in (1, 2, None) for alias in Alias)
    for start in range(0, len(moves), 3):
        async with open_() as ports:
            await ports.history.extend(PIPELINE, moves[start : start + 3])

    async with open_() as ports:
        await ports.history.extend(PIPELINE, ())
        assert await ports.history.of_model(PIPELINE) == list(moves)
        assert await ports.history.of_model("other") == []


async def test_inspection_waits_until_it_is_due(open_: Open) -> None:
    late = Inspection("b", run_succeeded(2), cause("m-2"), due_at=NOON + timedelta(seconds=1))
    soon = Inspection("a", run_succeeded(1), cause("m-1"), due_at=NOON)
    async with open_() as ports:
        await ports.inspections.add(late)
        await ports.inspections.add(soon)

    async with open_() as ports:
        assert await ports.inspections.due(NOON, limit=5) == [soon]
        assert await ports.inspections.due(late.due_at, limit=5) == [soon, late]
        assert await ports.inspections.due(late.due_at, limit=1) == [soon]
        await ports.inspections.postpone("a", NOON + timedelta(hours=1))

    async with open_() as ports:
        assert await ports.inspections.due(late.due_at, limit=5) == [late]
        again = replace(soon, due_at=NOON + timedelta(hours=1), attempts=1)
        assert await ports.inspections.due(again.due_at, limit=5) == [late, again]


async def test_inspection_is_closed_once_and_its_key_stays_known(open_: Open) -> None:
    async with open_() as ports:
        await ports.inspections.add(Inspection("a", run_succeeded(1), cause(), due_at=NOON))
        assert await ports.inspections.close("a", "decided")

    async with open_() as ports:
        assert not await ports.inspections.close("a", "decided again")
        assert await ports.inspections.find("a") == Inspection("a", run_succeeded(1), cause(), due_at=NOON)
        assert await ports.inspections.find("b") is None
        await ports.inspections.add(Inspection("a", run_succeeded(1), cause("other"), due_at=NOON))
        assert await ports.inspections.due(NOON, limit=5) == []
