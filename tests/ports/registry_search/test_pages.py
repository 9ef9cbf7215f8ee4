"""Pages of a search go on where they ended, and nowhere else."""

import pytest

from services.registry.search.language import SearchError
from services.registry.search.ports import Question
from services.registry.search.tracking import SqlTrackingSearch
from tests.fixtures.databases import Transactions
from tests.ports.registry_search.logged import ACTIVE, log, transactions
from tests.ports.registry_search.tried import Tried

__all__ = ["transactions"]


async def test_a_page_goes_on_behind_the_last_run_whatever_was_added_before_it(transactions: Transactions) -> None:
    runs = [Tried(f"{number:032x}", "", started_ms=number, ended_ms=None) for number in range(6)]
    async with transactions() as session:
        search, newest = SqlTrackingSearch(session), ("start_time DESC",)
        await log(session, runs[:5])
        first = await search.runs(["7"], ACTIVE, Question("", newest, 2))
        await log(session, runs[5:])

        second = await search.runs(["7"], ACTIVE, Question("", newest, 2, first.token or ""))

    assert [run.started_ms for run in first.things] == [4, 3]
    assert [run.started_ms for run in second.things] == [2, 1]


async def test_a_token_is_of_one_search_and_cannot_be_made_up(transactions: Transactions) -> None:
    runs = [Tried(f"{number:032x}", "a", started_ms=number, ended_ms=None) for number in range(3)]
    async with transactions() as session:
        search = SqlTrackingSearch(session)
        await log(session, runs)
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
