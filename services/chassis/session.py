"""Sessions that cost little: they note whether they wrote, and know their connection."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import ORMExecuteState
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

WROTE = "wrote"


class NotingSession(Session):
    """Notes in its ``info`` whether it wrote. Listening to each session on its own would cost more than a statement."""


@event.listens_for(NotingSession, "after_flush")
def _note_flush(session: Session, context: object) -> None:
    session.info[WROTE] = True


@event.listens_for(NotingSession, "do_orm_execute")
def _note_statement(statement: ORMExecuteState) -> None:
    if not statement.is_select:
        statement.session.info[WROTE] = True


class ConnectedSession(AsyncSession):
    """Remembers its connection. Asking for it costs nearly as much as a statement, and is done before each."""

    sync_session_class = NotingSession
    _known: AsyncConnection | None = None

    async def connection(self, *args: Any, **options: Any) -> AsyncConnection:
        """Find the connection of the transaction."""
        if self._known is None or self._known.closed:
            self._known = await super().connection(*args, **options)
        return self._known
