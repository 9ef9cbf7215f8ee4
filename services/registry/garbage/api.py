"""What may go for good, over HTTP: shown first, then collected by somebody, for a reason."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from contracts.message import utc_now
from services.chassis.http import Tx
from services.registry.api import Verdict
from services.registry.domain import Decision
from services.registry.garbage.collecting import PAGE, Collector
from services.registry.garbage.domain import Garbage, Kind, Rules
from services.registry.garbage.ports import Erasures
from services.registry.mlflow.calls import work_of

MOST_SHOWN = 1000
Days = Annotated[float, Field(ge=0, le=36_500)]


class Keep(BaseModel):
    """For how many days what is of no use is kept; unset: as the registry's settings say."""

    deleted_days: Days | None = Field(default=None, description="What people deleted.")
    failed_days: Days | None = Field(default=None, description="Files of training runs that failed or were stopped.")
    refused_days: Days | None = Field(default=None, description="Files of versions that were refused.")


class GarbageView(BaseModel):
    """Something that may go, or could but for who needs it."""

    kind: Kind
    id: str
    name: str
    since: datetime = Field(description="When it was deleted, refused or failed.")
    bytes: int = Field(description="Of the files that go with it.")
    needed_by: str | None = Field(description="Set: it stays.")


class Plan(BaseModel):
    """What would go now."""

    found: list[GarbageView]
    more: bool = Field(description="There is more than is shown.")


class Wish(Keep, Verdict):
    """Somebody's wish to have what is of no use go for good, and why."""


class Collected(BaseModel):
    """What went. Its files follow soon after."""

    went: dict[Kind, int]
    more: bool = Field(description="There is more: ask again.")


class Erasing(BaseModel):
    """What is yet to be erased."""

    places: int


def garbage_router(collector: Collector, rules: Rules) -> APIRouter:
    """Make the routes.

    Args:
        collector: Finds and collects.
        rules: What counts where a request says nothing else.
    """
    router = APIRouter(tags=["garbage"])

    @router.get("/garbage")
    async def show(
        request: Request, keep: Annotated[Keep, Depends()], limit: Annotated[int, Query(ge=1, le=MOST_SHOWN)] = 100
    ) -> Plan:
        """Show what would go now, and what stays only because something needs it. Nothing changes."""
        found, more = await collector.plan(work_of(request), _merged(keep, rules), utc_now(), limit=limit)
        return Plan(found=[await _view(one, collector) for one in found], more=more)

    @router.post("/garbage/collect")
    async def collect(request: Request, wish: Wish) -> Collected:
        """Let what nobody needs go for good. It cannot be had back."""
        decision = Decision(wish.by, wish.reason, utc_now())
        went, more = await collector.collect(work_of(request), _merged(wish, rules), decision, limit=PAGE)
        kinds = [one.kind for one in went]
        return Collected(went={kind: kinds.count(kind) for kind in Kind if kind in kinds}, more=more)

    @router.get("/garbage/erasing")
    async def erasing(tx: Tx) -> Erasing:
        """Tell how many places' files are yet to be erased."""
        return Erasing(places=await tx.port(Erasures).count())

    return router


async def _view(one: Garbage, collector: Collector) -> GarbageView:
    size = await collector.store.bytes_of(one.place) if one.place else 0
    return GarbageView(kind=one.kind, id=one.id, name=one.name, since=one.since, bytes=size, needed_by=one.needed_by)


def _merged(keep: Keep, rules: Rules) -> Rules:
    return Rules(
        deleted=_days(keep.deleted_days, rules.deleted),
        failed=_days(keep.failed_days, rules.failed),
        refused=rules.refused if keep.refused_days is None else timedelta(days=keep.refused_days),
    )


def _days(days: float | None, usual: timedelta) -> timedelta:
    return usual if days is None else timedelta(days=days)
