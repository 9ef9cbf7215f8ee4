"""Experiments are found, and runs in them."""

from collections.abc import Sequence

from services.registry.search.ports import Question
from services.registry.search.tracking import SqlTrackingSearch
from services.registry.tracking.domain import Stage
from services.registry.tracking.rows import ExperimentTagRow, RunRow
from tests.fixtures.databases import Transactions
from tests.ports.registry_search.logged import ACTIVE, experiment_row, log, transactions
from tests.ports.registry_search.tried import Tried

__all__ = ["transactions"]


async def test_runs_are_looked_for_in_their_experiments_and_stages_only(transactions: Transactions) -> None:
    async with transactions() as session:
        search = SqlTrackingSearch(session)
        await log(session, [Tried("0" * 32, "kept", 0, None), Tried("1" * 32, "deleted", 0, None)])
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
        session.add_all([experiment_row(8, "Ships", created_ms=5), experiment_row(9, "ships", stage=Stage.DELETED)])
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
