"""Which registered versions have their files where, in SQL."""

from collections.abc import Iterator
from itertools import accumulate

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.artifacts.domain import SCHEME, Holder
from services.registry.domain import VersionState
from services.registry.rows import ModelRow, VersionRow


class SqlHolders:
    """Registered versions in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def above(self, path: str) -> list[Holder]:
        """List those that have their files at a path, or in a directory that it is in."""
        directories = accumulate(path.split("/"), "{}/{}".format)
        places = [place for directory in directories for place in _spellings(directory)]
        return await self._holders(col(VersionRow.location).in_([*places, *(f"{place}/" for place in places)]))

    async def below(self, path: str) -> list[Holder]:
        """List those that have their files in a directory below a path."""
        location = col(VersionRow.location)
        return await self._holders(
            or_(*(location.startswith(f"{place}/", autoescape=True) for place in _spellings(path)))
        )

    async def _holders(self, there: ColumnElement[bool]) -> list[Holder]:
        named = select(ModelRow.name, VersionRow.number, VersionRow.state).join(
            ModelRow, col(ModelRow.pipeline) == col(VersionRow.pipeline)
        )
        found = await self._session.exec(named.where(there, col(VersionRow.deleted_at).is_(None)))
        return [Holder(name, number, state != VersionState.LOGGED) for name, number, state in found]


def _spellings(path: str) -> Iterator[str]:
    """Write a place as a version's location may have it: below the root, or below a run."""
    yield f"{SCHEME}:/{path}"
    _, *of_run = path.split("/")
    if of_run[1:2] in ([], ["artifacts"]) and of_run:
        yield "/".join(["runs:", of_run[0], *of_run[2:]])
