"""Where the registry's database is, where another is made beside it, and how one takes the other's place."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from services.chassis.database import Database

SCHEMA = "registry"
MADE = "rebuilt"
_FILES = ("", "-wal", "-shm")
"""SQLite keeps what is not in the database yet beside it; apart from each other they are worth nothing."""


@dataclass(frozen=True)
class Place:
    """The database that is there, and the one to be made: a file beside it, or a schema beside its schema."""

    present: Database
    made: Database

    @classmethod
    def at(cls, url: str) -> "Place":
        """Find the place of the registry's database."""
        present = Database(url, schema=SCHEMA)
        beside = f"sqlite:///{present.file}.{MADE}" if present.file else url
        return cls(present, Database(beside, schema=f"{SCHEMA}_{MADE}"))

    @property
    def name(self) -> str:
        """Name what is there."""
        return str(self.present.file or f"schema {SCHEMA}")

    async def is_taken(self) -> bool:
        """Tell whether there is a database, whatever is in it."""
        if self.present.file:
            return self.present.file.exists()
        async with self.present.session(write=False) as session:
            schemas = text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name")
            return bool((await (await session.connection()).execute(schemas, {"name": SCHEMA})).scalar_one())

    async def clear(self) -> None:
        """Remove what an earlier attempt left that never took the place."""
        if self.made.file:
            for suffix in _FILES:
                _beside(self.made.file, suffix).unlink(missing_ok=True)
            return
        await self._run(f"DROP SCHEMA IF EXISTS {SCHEMA}_{MADE} CASCADE")

    async def take(self, aside: str) -> str | None:
        """Put what was made in the place.

        Args:
            aside: What is there is called so from now on, after its name.

        Returns:
            Its new name; None if there was nothing.
        """
        taken = await self.is_taken()
        await self.close()
        if self.present.file and self.made.file:
            new_name = f"{self.present.file}.{aside}"
            if taken:
                await asyncio.to_thread(_move, self.present.file, Path(new_name))
            await asyncio.to_thread(_move, self.made.file, self.present.file)
        else:
            new_name = f"{SCHEMA}_{aside}"
            rename = [f"ALTER SCHEMA {SCHEMA} RENAME TO {new_name}"] if taken else []
            await self._run(*rename, f"ALTER SCHEMA {SCHEMA}_{MADE} RENAME TO {SCHEMA}")
        return new_name if taken else None

    async def close(self) -> None:
        """Close all connections."""
        await self.made.close()
        await self.present.close()

    async def _run(self, *statements: str) -> None:
        async with self.present.session() as session:
            connection = await session.connection()
            for statement in statements:
                await connection.execute(text(statement))
            await session.commit()


def _move(file: Path, to: Path) -> None:
    for suffix in _FILES:
        if _beside(file, suffix).exists():
            _beside(file, suffix).rename(_beside(to, suffix))


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
