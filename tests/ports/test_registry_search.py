"""A search finds what a look at every run finds, in its order and page by page, in SQLite and PostgreSQL."""

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.rows import Row
from services.registry.search.language import Condition, Key, Kind, Operator, Order, SearchError
from services.registry.search.ports import Question
from services.registry.search.tracking import SqlTrackingSearch
from services.registry.tracking.domain import Stage
from services.registry.tracking.rows import (
    DatasetRow,
    ExperimentRow,
    ExperimentTagRow,
    LatestMetricRow,
    ParamRow,
    RunDatasetRow,
    RunRow,
    RunTagRow,
)
from tests.fixtures.databases import Transactions
from tests.unit.registry.search import filters

EXPERIMENT = 7
ACTIVE = (Stage.ACTIVE,)
VALUES = ("a", "A", "ab", "AB", "a_b", "a%", "*", "[a]", "a?", "b\nc", "ä", "'\"`\\", "")
PATTERNS = ("%", "a%", "A%", "%b", "a_b", "_", "[a]", "*", "a?", "%\n%", "a%b%", "\\%", "")
NUMBERS = (-1.5, 0.0, 0.1, 1.0, 3.0, 1e300)


@dataclass(frozen=True)
class Tried:
    """A run with what it logged."""

    id: str
    name: str
    started_ms: int
    ended_ms: int | None
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: tuple[tuple[str, str | None], ...] = ()


RUNS = some.lists(
    some.builds(
        Tried,
        some.integers(0, 200).map("{:032x}".format),
        some.sampled_from(VALUES),
        some.integers(0, 3),
        some.none() | some.integers(0, 3),
        some.dictionaries(some.sampled_from("mn"), some.sampled_from((*NUMBERS, math.nan)), max_size=2),
        some.dictionaries(some.sampled_from("pq"), some.sampled_from(VALUES), max_size=2),
        some.dictionaries(some.sampled_from(("t", "a.b c")), some.sampled_from(VALUES), max_size=2),
        some.lists(some.tuples(some.sampled_from("de"), some.none() | some.sampled_from(VALUES)), max_size=2).map(
            lambda used: tuple({name: (name, context) for name, context in used}.values())
        ),
    ),
    max_size=7,
    unique_by=lambda run: run.id,
)
_TEXTS = (Operator.EQUAL, Operator.UNEQUAL)
_LIKES = (Operator.LIKE, Operator.ILIKE)
_LISTS = (Operator.IN, Operator.NOT_IN)
_NULLS = (Operator.ABSENT, Operator.PRESENT)
_NUMBERS = (Operator.EQUAL, Operator.UNEQUAL, Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST)
_NAMED = some.sampled_from("pqr").map(lambda name: Key(Kind.PARAMETER, name)) | some.sampled_from(
    ("t", "a.b c", "none")
).map(lambda name: Key(Kind.TAG, name))
_WORDS = (
    _NAMED
    | some.just(Key(Kind.ATTRIBUTE, "run_name"))
    | some.sampled_from((Key(Kind.DATASET, "name"), Key(Kind.DATASET, "context")))
)
_COUNTED = some.sampled_from(
    (
        Key(Kind.METRIC, "m"),
        Key(Kind.METRIC, "n"),
        Key(Kind.METRIC, "none"),
        Key(Kind.ATTRIBUTE, "start_time"),
        Key(Kind.ATTRIBUTE, "end_time"),
    )
)
CONDITIONS = (
    some.builds(Condition, _WORDS, some.sampled_from(_TEXTS), some.sampled_from(VALUES))
    | some.builds(Condition, _WORDS, some.sampled_from(_LIKES), some.sampled_from(PATTERNS))
    | some.builds(Condition, _NAMED, some.sampled_from(_NULLS))
    | some.builds(Condition, _COUNTED, some.sampled_from(_NUMBERS), some.sampled_from((*NUMBERS, 2, -(2**62), 1e308)))
    | some.builds(
        Condition,
        some.just(Key(Kind.DATASET, "context")),
        some.sampled_from(_LISTS),
        some.lists(some.sampled_from(VALUES), min_size=1, max_size=3).map(tuple),
    )
    | some.builds(
        Condition,
        some.just(Key(Kind.ATTRIBUTE, "run_id")),
        some.sampled_from(_LISTS),
        some.lists(some.integers(0, 200).map("{:032x}".format), min_size=1, max_size=3).map(tuple),
    )
)
ORDERS = some.lists(
    some.builds(Order, _NAMED | _COUNTED | some.just(Key(Kind.ATTRIBUTE, "run_name")), some.booleans()),
    max_size=3,
    unique_by=lambda order: order.key,
)


@pytest.fixture
async def transactions(sessions: Callable[[type[SQLModel]], Awaitable[Transactions]]) -> Transactions:
    """Opens transactions on a database with one experiment and no runs."""
    opened = await sessions(Row)
    async with opened() as session:
        session.add(_experiment(EXPERIMENT, "flights"))
    return opened


async def test_every_comparison_means_the_same_in_every_database(transactions: Transactions) -> None:
    runs = [
        Tried(f"{number:032x}", value, 0, None, {}, {"p": value}, {"t": value}) for number, value in enumerate(VALUES)
    ]
    runs += [
        Tried(f"{number:032x}", "", 0, ended_ms, {"m": value})
        for number, (value, ended_ms) in enumerate(zip((*NUMBERS, math.nan), (*range(6), None), strict=True), start=100)
    ]
    words = (Key(Kind.ATTRIBUTE, "run_name"), Key(Kind.PARAMETER, "p"), Key(Kind.TAG, "t"))
    counted = (Key(Kind.METRIC, "m"), Key(Kind.ATTRIBUTE, "end_time"))
    conditions = [
        *(Condition(key, operator, value) for key in words for operator in _TEXTS for value in VALUES),
        *(Condition(key, operator, value) for key in words for operator in _LIKES for value in PATTERNS),
        *(Condition(key, operator) for key in words[1:] for operator in _NULLS),
        *(Condition(key, operator, value) for key in counted for operator in _NUMBERS for value in (*NUMBERS, 2**62)),
    ]

    async with transactions() as session:
        await _log(session, runs)
        search = SqlTrackingSearch(session)
        for condition in conditions:
            expected = [run.id for run in runs if _holds(run, condition)]
            for order in ("run_id", str(condition.key)):
                page = await search.runs([str(EXPERIMENT)], ACTIVE, Question(str(condition), (order,), 1000))
                assert sorted(run.id for run in page.things) == expected, f"{condition} by {order}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS, conditions=some.lists(CONDITIONS, max_size=3), orders=ORDERS, limit=some.integers(1, 4))
async def test_a_search_finds_what_looking_at_every_run_finds(
    runs: list[Tried], conditions: list[Condition], orders: list[Order], limit: int, transactions: Transactions
) -> None:
    question = Question(" AND ".join(map(str, conditions)), tuple(map(str, orders)), limit)
    async with transactions() as session:
        await _log(session, runs)

        found = await _every_page(session, question)
        await session.rollback()

    expected = [run for run in runs if all(_holds(run, condition) for condition in conditions)]
    assert found == [run.id for run in _sorted(expected, orders)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    conditions=some.lists(filters.CONDITIONS, min_size=1, max_size=3),
    orders=some.lists(filters.ORDERS, max_size=2),
    token=some.text(max_size=9),
)
async def test_whatever_is_asked_is_answered_or_refused(
    conditions: list[Condition], orders: list[Order], token: str, transactions: Transactions
) -> None:
    async with transactions() as session:
        for asked in conditions:
            with suppress(SearchError):
                await SqlTrackingSearch(session).runs(["7"], ACTIVE, Question(str(asked), (), 1))
        for order in orders:
            with suppress(SearchError):
                await SqlTrackingSearch(session).runs(["7"], ACTIVE, Question("", (str(order),), 1))
        with suppress(SearchError):
            await SqlTrackingSearch(session).experiments(ACTIVE, Question(str(conditions[0]), (), 1, token))


async def test_a_page_goes_on_behind_the_last_run_whatever_was_added_before_it(transactions: Transactions) -> None:
    runs = [Tried(f"{number:032x}", "", started_ms=number, ended_ms=None) for number in range(6)]
    async with transactions() as session:
        search, newest = SqlTrackingSearch(session), ("start_time DESC",)
        await _log(session, runs[:5])
        first = await search.runs(["7"], ACTIVE, Question("", newest, 2))
        await _log(session, runs[5:])

        second = await search.runs(["7"], ACTIVE, Question("", newest, 2, first.token or ""))

    assert [run.started_ms for run in first.things] == [4, 3]
    assert [run.started_ms for run in second.things] == [2, 1]


async def test_a_token_is_of_one_search_and_cannot_be_made_up(transactions: Transactions) -> None:
    runs = [Tried(f"{number:032x}", "a", started_ms=number, ended_ms=None) for number in range(3)]
    async with transactions() as session:
        search = SqlTrackingSearch(session)
        await _log(session, runs)
        token = (await search.runs(["7"], ACTIVE, Question("run_name = 'a'", (), 1))).token or ""
        others = [
            Question("run_name = 'b'", (), 1, token),
            Question("run_name = 'a'", ("end_time",), 1, token),
            Question("", (), 1, token),
            *(
                Question("run_name = 'a'", (), 1, made)
                for made in ("x", "ä", "{}", token[:-4], token[4:], token * 9_999)
            ),
            *(Question("run_name = 'a'", (), 1, f"{token[:at]}A{token[at + 1 :]}") for at in (0, 24, 40)),
        ]

        for question in others:
            with pytest.raises(SearchError, match="Invalid page token"):
                await search.runs(["7"], ACTIVE, question)
        with pytest.raises(SearchError, match="Invalid page token"):
            await search.runs(["8"], ACTIVE, Question("run_name = 'a'", (), 1, token))
        page = await search.runs(["7"], ACTIVE, Question("run_name = 'a'", (), 5, token))

    assert [run.started_ms for run in page.things] == [1, 0]
    assert page.token is None


async def test_runs_are_looked_for_in_their_experiments_and_stages_only(transactions: Transactions) -> None:
    async with transactions() as session:
        search = SqlTrackingSearch(session)
        await _log(session, [Tried("0" * 32, "kept", 0, None), Tried("1" * 32, "deleted", 0, None)])
        (await session.get_one(RunRow, "1" * 32)).stage = Stage.DELETED
        await session.flush()

        found = {
            (ids, stages): [run.name for run in (await search.runs(ids, stages, Question("", (), 9))).things]
            for ids in (("7",), ("8", "7"), ("8",), ("seven",), ("9" * 30,), ())
            for stages in (ACTIVE, (Stage.DELETED,), tuple(Stage))
        }

    here = {ACTIVE: ["kept"], (Stage.DELETED,): ["deleted"], tuple(Stage): ["kept", "deleted"]}
    assert {asked: names for asked, names in found.items() if names} == {
        (ids, stages): here[stages] for ids in (("7",), ("8", "7")) for stages in here
    }


async def test_experiments_are_found_with_their_tags_newest_first(transactions: Transactions) -> None:
    async with transactions() as session:
        search = SqlTrackingSearch(session)
        session.add_all([_experiment(8, "Ships", created_ms=5), _experiment(9, "ships", stage=Stage.DELETED)])
        await session.flush()
        session.add(ExperimentTagRow(experiment_id=8, key="team", value="sea"))
        await session.flush()

        async def found(filter_: str, *order: str, stages: Sequence[Stage] = ACTIVE) -> list[str]:
            page = await search.experiments(stages, Question(filter_, order, 9))
            return [experiment.name for experiment in page.things]

        assert await found("") == ["Ships", "flights"]
        assert await found("", "name DESC", stages=tuple(Stage)) == ["ships", "flights", "Ships"]
        assert await found("", "last_update_time") == ["Ships", "flights"]
        assert await found("name LIKE 'ship%'", stages=tuple(Stage)) == ["ships"]
        assert await found("name ILIKE 'ship%'", stages=tuple(Stage)) == ["Ships", "ships"]
        assert await found("tags.team = 'sea'") == ["Ships"]
        assert await found("tags.team IS NULL") == ["flights"]
        assert await found("experiment_id IN ('8', 'x', '99999999999999999999')") == ["Ships"]
        assert await found("experiment_id != '8' AND creation_time < 1e300") == ["flights"]
        page = await search.experiments(ACTIVE, Question("", (), 1))
        assert dict(page.things[0].tags) == {"team": "sea"}
        assert (await search.experiments(ACTIVE, Question("", (), 1, page.token or ""))).things[0].name == "flights"


async def _every_page(session: AsyncSession, question: Question) -> list[str]:
    search, found = SqlTrackingSearch(session), list[str]()
    while True:
        page = await search.runs([str(EXPERIMENT)], ACTIVE, question)
        assert len(page.things) <= question.limit
        found += [run.id for run in page.things]
        if page.token is None:
            return found
        question = Question(question.filter, question.order, question.limit, page.token)


def _experiment(number: int, name: str, *, created_ms: int = 0, stage: Stage = Stage.ACTIVE) -> ExperimentRow:
    return ExperimentRow(
        id=number, name=name, pipeline=name, artifact_location="", stage=stage, created_ms=created_ms, updated_ms=0
    )


async def _log(session: AsyncSession, runs: Sequence[Tried]) -> None:
    rows: list[SQLModel] = []
    for run in runs:
        rows.append(
            RunRow(
                id=run.id,
                experiment_id=EXPERIMENT,
                name=run.name,
                user_id="ada",
                status="FINISHED",
                started_ms=run.started_ms,
                ended_ms=run.ended_ms,
                artifact_uri="",
            )
        )
    session.add_all(rows)
    await session.flush()
    for run in runs:
        session.add_all(ParamRow(run_id=run.id, key=key, value=value) for key, value in run.params.items())
        session.add_all(RunTagRow(run_id=run.id, key=key, value=value) for key, value in run.tags.items())
        session.add_all(
            LatestMetricRow(
                run_id=run.id,
                experiment_id=EXPERIMENT,
                key=key,
                step=0,
                timestamp_ms=0,
                value=0.0 if math.isnan(value) else value,
                is_nan=math.isnan(value),
            )
            for key, value in run.metrics.items()
        )
        for place, (name, context) in enumerate(run.datasets):
            dataset = {"experiment_id": EXPERIMENT, "name": name, "digest": "1"}
            await session.merge(DatasetRow(**dataset, source_type="", source=""))
            await session.flush()
            session.add(RunDatasetRow(**dataset, run_id=run.id, place=place, context=context, tags={}))
    await session.flush()


def _holds(run: Tried, condition: Condition) -> bool:
    key = condition.key
    if key.kind is Kind.DATASET:
        among = [name if key.name == "name" else context for name, context in run.datasets]
        return any(_compares(value, condition.operator, condition.value) for value in among)
    return _compares(_value(run, key), condition.operator, condition.value)


def _value(run: Tried, key: Key) -> Any:
    match key.kind:
        case Kind.METRIC:
            return run.metrics.get(key.name)
        case Kind.PARAMETER:
            return run.params.get(key.name)
        case Kind.TAG:
            return run.tags.get(key.name)
        case _:
            own = {"run_id": run.id, "run_name": run.name, "start_time": run.started_ms, "end_time": run.ended_ms}
            return own[key.name]


def _compares(value: Any, operator: Operator, against: Any) -> bool:
    if operator in _NULLS:
        return (value is None) is (operator is Operator.ABSENT)
    if value is None:
        return False
    match operator:
        case Operator.EQUAL:
            return bool(value == against)
        case Operator.UNEQUAL:
            return bool(value != against)
        case Operator.LESS:
            return bool(value < against)
        case Operator.AT_MOST:
            return bool(value <= against)
        case Operator.MORE:
            return bool(value > against)
        case Operator.AT_LEAST:
            return bool(value >= against)
        case Operator.LIKE:
            return bool(_pattern(against).fullmatch(value))
        case Operator.ILIKE:
            return bool(_pattern(against, re.IGNORECASE).fullmatch(value))
        case Operator.IN:
            return value in against
        case _:
            return value not in against


def _pattern(like: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile("".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in like), flags | re.DOTALL)


def _sorted(runs: Sequence[Tried], orders: Sequence[Order]) -> list[Tried]:
    ordered = sorted(runs, key=lambda run: run.id)
    for order in (
        (*reversed(orders),)
        if any(order.key.name == "start_time" for order in orders)
        else (Order(Key(Kind.ATTRIBUTE, "start_time"), ascending=False), *reversed(orders))
    ):
        with_value = [run for run in ordered if not _rank(_value(run, order.key))]
        with_value.sort(key=lambda run, key=order.key: _value(run, key), reverse=not order.ascending)
        without = sorted(
            (run for run in ordered if _rank(_value(run, order.key))),
            key=lambda run, key=order.key: _rank(_value(run, key)),
        )
        ordered = with_value + without
    return ordered


def _rank(value: Any) -> int:
    if value is None:
        return 2
    return int(isinstance(value, float) and math.isnan(value))
