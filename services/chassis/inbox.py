"""The inbox: which messages a consumer has handled, so that handling twice changes the database once."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import CursorResult, String, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, col
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.message import utc_now
from services.chassis.database import ChassisRow, Database, UtcDateTime
from services.chassis.errors import EverloopError
from services.chassis.logs import Log

MARGIN = timedelta(days=1)
EVERY_S = 3600.0

log = Log(__name__)


class InboxRow(ChassisRow, table=True):
    """One message that one consumer handled."""

    __tablename__ = "chassis_inbox"

    consumer: str = Field(primary_key=True, sa_type=String(256))
    message_id: str = Field(primary_key=True, sa_type=String(256))
    handled_at: datetime = Field(sa_type=UtcDateTime, index=True)


async def remember(session: AsyncSession, consumer: str, message_id: str, now: datetime) -> bool:
    """Note that a message is handled in this transaction.

    Returns:
        False if it was handled before. Where another process is handling it, waits for that one's outcome.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    row = {"consumer": consumer, "message_id": message_id, "handled_at": now}
    added = dialect.insert(InboxRow).values(row).on_conflict_do_nothing().returning(col(InboxRow.message_id))
    return (await session.exec(added)).first() is not None


async def keep_short(database: Database, consumers: Mapping[str, timedelta]) -> None:
    """Forget, now and then, what can never be delivered again. Runs until cancelled.

    Args:
        database: Where the inbox is.
        consumers: Name to how long its stream keeps messages.
    """
    while True:
        try:
            for consumer, max_age in consumers.items():
                async with database.session() as session:
                    gone = await forget(session, consumer, utc_now() - max_age - MARGIN)
                    await session.commit()
                if gone:
                    log.info("old inbox rows forgotten", consumer=consumer, rows=gone)
        except EverloopError as error:
            log.warning("inbox cannot be shortened now", error=str(error))
        await asyncio.sleep(EVERY_S)


async def forget(session: AsyncSession, consumer: str, before: datetime) -> int:
    """Drop what the stream itself has dropped long ago and can never deliver again.

    Returns:
        How many rows went.
    """
    old = delete(InboxRow).where(col(InboxRow.consumer) == consumer, col(InboxRow.handled_at) < before)
    return cast("CursorResult[object]", await session.exec(old)).rowcount
