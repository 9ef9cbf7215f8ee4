"""Where each alias points now, in SQL."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

_POINT = text(
    "INSERT INTO aliases (pipeline, alias, number) VALUES (:pipeline, :alias, :number)"
    " ON CONFLICT (pipeline, alias) DO UPDATE SET number = excluded.number"
)
_REMOVE = text("DELETE FROM aliases WHERE pipeline = :pipeline AND alias = :alias")


async def point(session: AsyncSession, pipeline: str, alias: str, number: int | None) -> None:
    """Point an alias at a version, or at none. The caller holds the model."""
    connection = await session.connection()
    given = {"pipeline": pipeline, "alias": alias}
    if number is None:
        await connection.execute(_REMOVE, given)
    else:
        await connection.execute(_POINT, {**given, "number": number})
