"""A search finds what a look at every run finds, in its order and page by page, in SQLite and PostgreSQL."""

import math
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.search.language import Condition, Key, Kind, Order, SearchError
from services.registry.search.ports import Question
from services.registry.search.tracking import SqlTrackingSearch
from tests.fixtures.databases import Transactions
from tests.ports.registry_search.asking import COMPARISONS, CONDITIONS, LIKES, ORDERS, PATTERNS, RUNS, TEXTS
from tests.ports.registry_search.logged import ACTIVE, log, transactions
from tests.ports.registry_search.tried import EXPERIMENT, NULLS, NUMBERS, VALUES, Tried, found_by_looking, holds
from tests.unit.registry.search import filters

__all__ = ["transactions"]


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
        *(Condition(key, operator, value) for key in words for operator in TEXTS for value in VALUES),
        *(Condition(key, operator, value) for key in words for operator in LIKES for value in PATTERNS),
        *(Condition(key, operator) for key in words[1:] for operator in NULLS),
        *(
            Condition(key, operator, value)
            for key in counted
            for operator in COMPARISONS
            for value in (*NUMBERS, 2**62)
        ),
    ]

    async with transactions() as session:
        await log(session, runs)
        search = SqlTrackingSearch(session)
        for condition in conditions:
            expected = [run.id for run in runs if holds(run, condition)]
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
        await log(session, runs)

        found = await _every_page(session, question)
        await session.rollback()

    expected = [run for run in runs if all(holds(run, condition) for condition in conditions)]
    assert found == [run.id for run in found_by_looking(expected, orders)]


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


async def _every_page(session: AsyncSession, question: Question) -> list[str]:
    search, found = SqlTrackingSearch(session), list[str]()
    while True:
        page = await search.runs([str(EXPERIMENT)], ACTIVE, question)
        assert len(page.things) <= question.limit
        found += [run.id for run in page.things]
        if page.token is None:
            return found
        question = Question(question.filter, question.order, question.limit, page.token)
