"""Where each alias points now, in SQL."""

from sqlalchemy import delete, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.models.rows import AliasRow


async def point(session: AsyncSession, pipeline: str, alias: str, number: int | None) -> None:
    """Point an alias at a version, or at none. The caller holds the model."""
    this = (col(AliasRow.pipeline) == pipeline, col(AliasRow.alias) == alias)
    if number is None:
        await session.exec(delete(AliasRow).where(*this))
        return
    moved = await session.exec(update(AliasRow).where(*this).values(number=number))
    if not moved.rowcount:
        session.add(AliasRow(pipeline=pipeline, alias=alias, number=number))
        await session.flush()
