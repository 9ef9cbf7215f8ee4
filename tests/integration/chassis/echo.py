"""A small service for tests of the chassis: it counts what it hears in a table and answers with a fact.

It stands in for ingestion, so it obeys `IngestDataset`; what it does with one is said by the command's URI.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Request
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.ingestion import IngestDataset
from contracts.message import Message
from contracts.serving import RolloutRolledBack, RolloutStarted
from services.chassis.errors import MalformedError, RejectedError, TransientError
from services.chassis.handling import Retries
from services.chassis.http import Tx
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings, settings_for
from services.chassis.subscriptions import Cause, Subscription
from services.chassis.work import Reconciler

IMPATIENT = Retries(first_s=0.01, longest_s=0.05, bugs=3, transients=4)


class EchoSettings(ServiceSettings):
    model_config = settings_for("ingestion")

    greeting: str = "hello"


class EchoRow(SQLModel, registry=registry()):
    """Rows of the echo service."""


class CountRow(EchoRow, table=True):
    __tablename__ = "count"

    key: str = Field(primary_key=True)
    times: int


class Counts(Protocol):
    async def add(self, key: str) -> int: ...

    async def of(self, key: str) -> int: ...


class SqlCounts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, key: str) -> int:
        row = await self._session.get(CountRow, key) or CountRow(key=key, times=0)
        row.times += 1
        self._session.add(row)
        return row.times

    async def of(self, key: str) -> int:
        row = await self._session.get(CountRow, key)
        return row.times if row else 0


async def ingest(command: IngestDataset, counts: Counts, cause: Cause) -> list[Message]:
    """Count the command, then fail as its URI says."""
    times = await counts.add(command.uri)
    match command.uri.partition(":")[0]:
        case "rejected":
            raise RejectedError("never_mind", uri=command.uri)
        case "transient":
            raise TransientError("pipeline_unknown", pipeline=command.pipeline)
        case "malformed":
            raise MalformedError("senseless", uri=command.uri)
        case "bug":
            raise ZeroDivisionError("ein Fehler, größer als gedacht")
    rollout = uuid5(NAMESPACE_URL, cause.message_id)
    return [RolloutStarted(pipeline=command.pipeline, rollout_id=rollout, version=times)]


async def on_rollout_started(event: RolloutStarted, counts: Counts) -> list[Message]:
    """Count the fact, and say another."""
    await counts.add(f"heard:{event.rollout_id}")
    return [
        RolloutRolledBack(pipeline=event.pipeline, rollout_id=event.rollout_id, version=event.version, reason="echo")
    ]


router = APIRouter()


@router.get("/counts/{key}")
async def count(key: str, tx: Tx) -> dict[str, int]:
    """Read a count."""
    times = await tx.port(Counts).of(key)
    if not times:
        raise RejectedError("count_not_found", key=key)
    return {"times": times}


@router.post("/counts/{key}")
async def add(key: str, tx: Tx, limit: int = 3) -> dict[str, int]:
    """Count once more, up to a limit."""
    times = await tx.port(Counts).add(key)
    if times > limit:
        raise RejectedError("limit_reached", limit=limit)
    tx.say(RolloutStarted(pipeline="flights", rollout_id=uuid5(NAMESPACE_URL, f"{key}{times}"), version=times))
    return {"times": times}


@router.post("/bodies")
async def measure(request: Request) -> int:
    """Tell how long a body is."""
    return len(await request.body())


@router.post("/failures/{kind}")
async def fail(kind: str) -> None:
    """Fail on purpose."""
    errors: dict[str, Callable[[], Exception]] = {
        "field": lambda: RejectedError("out_of_range", field="limit"),
        "malformed": lambda: MalformedError("senseless"),
        "transient": lambda: TransientError("not_now"),
        "bug": lambda: ZeroDivisionError("secret"),
    }
    raise errors[kind]()


SUBSCRIPTIONS = (Subscription(IngestDataset, ingest), Subscription(RolloutStarted, on_rollout_started))


def build(settings: EchoSettings, *, reconcilers: tuple[Reconciler, ...] = (), retries: Retries = IMPATIENT) -> Service:
    """Put the service together."""
    return Service(
        name="ingestion",
        settings=settings,
        subscriptions=SUBSCRIPTIONS,
        ports={Counts: SqlCounts},
        router=router,
        reconcilers=reconcilers,
        rows=EchoRow,
        migrations=str(Path(__file__).parent / "migrations"),
        retries=retries,
    )
