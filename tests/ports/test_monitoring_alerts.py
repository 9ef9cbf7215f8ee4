"""One suite for alerts and deliveries: in memory, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from contracts.alerts import AlertKind
from services.chassis.database import Database
from services.monitoring.alerts.domain import (
    Alert,
    DeliveryState,
    Occasion,
    Relief,
    Retry,
    Standing,
    delivery_of,
    new_alert,
)
from services.monitoring.alerts.ports import Alerts, Deliveries
from tests.contracts.examples import PIPELINE, finding
from tests.fakes.monitoring.alerts import NOON, TRACE, Desk
from tests.fakes.monitoring.references import InMemoryReferences
from tests.fakes.monitoring.stores import sql_work

HOUR = timedelta(hours=1)
RETRY = Retry(attempts=2, first=HOUR, longest=HOUR)
QUALITY = (PIPELINE, AlertKind.QUALITY_DEGRADED, "version 2")


class Stores(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield Desk().work
        return
    url = f"sqlite:///{tmp_path / 'x.sqlite'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url, schema="monitoring")
    yield await sql_work(database, InMemoryReferences())
    await database.close()


def alert(fact_id: str = "m-1", **changes: Any) -> Alert:
    return new_alert(PIPELINE, finding(**changes), fact_id=fact_id, trace_id=TRACE, at=NOON)


async def test_an_alert_is_kept_whole(stores: Stores) -> None:
    asleep = alert().told().snoozed(until=NOON + HOUR, by="ada", reason="a strike", now=NOON)
    over = alert("m-0").resolved(by="bob", reason="mended", at=NOON)
    async with stores.transaction() as tx:
        await tx.port(Alerts).save(over)
        await tx.port(Alerts).save(alert())
        await tx.port(Alerts).save(asleep)

    async with stores.transaction() as tx:
        alerts = tx.port(Alerts)
        assert await alerts.get(asleep.id) == asleep
        assert await alerts.get(over.id) == over
        assert await alerts.get(alert("m-9").id) is None
        assert await alerts.open(PIPELINE) == [asleep]
        assert await alerts.open("other") == []
        assert await alerts.waking(NOON + HOUR) == [asleep]
        assert await alerts.waking(NOON) == []


async def test_of_one_condition_one_alert_is_open(stores: Stores) -> None:
    async with stores.transaction() as tx:
        await tx.port(Alerts).save(alert("m-1"))

    with pytest.raises(Exception, match=r"(?i)unique"):
        async with stores.transaction() as tx:
            await tx.port(Alerts).save(alert("m-2"))


async def test_the_latest_comes_first(stores: Stores) -> None:
    later = alert("m-2", about="version 3").again(
        finding(about="version 3"), fact_id="m-3", trace_id=None, at=NOON + HOUR
    )
    over = alert("m-4").resolved(by="bob", reason="mended", at=NOON)
    async with stores.transaction() as tx:
        for one in (over, later):
            await tx.port(Alerts).save(one)

    async with stores.transaction() as tx:
        alerts = tx.port(Alerts)
        assert await alerts.newest(pipeline=None, only_open=False, limit=9) == [later, over]
        assert await alerts.newest(pipeline=PIPELINE, only_open=True, limit=9) == [later]
        assert await alerts.newest(pipeline=None, only_open=False, limit=1) == [later]
        assert await alerts.newest(pipeline="other", only_open=False, limit=9) == []


async def test_where_a_pipeline_stands_is_kept(stores: Stores) -> None:
    async with stores.transaction() as tx:
        assert await tx.port(Alerts).hold(PIPELINE) == Standing(PIPELINE)
        await tx.port(Alerts).stand(Standing(PIPELINE, 3, NOON))

    async with stores.transaction() as tx:
        assert await tx.port(Alerts).hold(PIPELINE) == Standing(PIPELINE, 3, NOON)


async def test_the_latest_relief_counts(stores: Stores) -> None:
    relief = Relief(AlertKind.QUALITY_DEGRADED, "version 2", "over")
    async with stores.transaction() as tx:
        assert await tx.port(Alerts).relieved_at(*QUALITY) is None
        await tx.port(Alerts).relieve(PIPELINE, relief, NOON + HOUR)
        await tx.port(Alerts).relieve(PIPELINE, relief, NOON)

    async with stores.transaction() as tx:
        assert await tx.port(Alerts).relieved_at(*QUALITY) == NOON + HOUR


async def test_deliveries_wait_their_turn_and_are_added_once(stores: Stores) -> None:
    one = delivery_of(alert(), "oncall", Occasion.RAISED, at=NOON)
    two = delivery_of(alert().told(), "oncall", Occasion.REMINDED, at=NOON)
    mail = delivery_of(alert(), "mail", Occasion.RAISED, at=NOON + HOUR)
    async with stores.transaction() as tx:
        await tx.port(Deliveries).add([one, two, mail])
        await tx.port(Deliveries).add([one])

    failed = one.tried(now=NOON, retry=RETRY, detail="HTTP 500")
    async with stores.transaction() as tx:
        deliveries = tx.port(Deliveries)
        assert await deliveries.due(NOON) == {"oncall"}
        assert await deliveries.due(NOON + HOUR) == {"oncall", "mail"}
        assert await deliveries.next("oncall", NOON, limit=9) == [one, two]
        assert await deliveries.next("oncall", NOON, limit=1) == [one]
        await deliveries.save(failed)
    async with stores.transaction() as tx:
        assert await tx.port(Deliveries).next("oncall", NOON, limit=9) == [two]
        assert await tx.port(Deliveries).next("oncall", NOON + HOUR, limit=9) == [failed, two]
        await tx.port(Deliveries).save(failed.tried(now=NOON, retry=RETRY, detail="HTTP 500"))
    async with stores.transaction() as tx:
        states = [each.state for each in await tx.port(Deliveries).of(alert().id)]
        assert states == [DeliveryState.DEAD, DeliveryState.WAITING, DeliveryState.WAITING]
