"""Scores of known rows, found by key: one SQLite file, written once and from then on only read; see decision 17.

Whoever opens it maps it into memory: opening costs nothing, a look-up some microseconds, and the pages are shared
with every other process on the machine that has it open.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from urllib.parse import quote
from uuid import UUID
from weakref import finalize

from pydantic import AwareDatetime, Field

from contracts.model import Contract, PipelineName, VersionNumber
from contracts.pipeline import ColumnName, ColumnType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_MAP_BYTES = 2**40
"""SQLite maps at most 2 GiB of a file, unless it was built otherwise; the rest is read as pages are needed."""


class UnfitKeyError(ValueError):
    """A key that no row of the file could have; the message says what a key is."""


class KeyColumn(Contract):
    """One column of the key."""

    name: ColumnName
    type: ColumnType


class About(Contract):
    """What a lookup file holds. It is part of the file."""

    precomputation_id: UUID
    pipeline: PipelineName
    version: VersionNumber
    dataset_version: VersionNumber
    key: tuple[KeyColumn, ...] = Field(min_length=1)
    keys: int = Field(ge=0, description="Rows that can be found.")
    duplicates: int = Field(ge=0, description="Rows left out because a row of their key happened later.")
    without_key: int = Field(ge=0, description="Rows left out because part of their key is null.")
    computed_at: AwareDatetime = Field(description="When the file was complete; each row has a time of its own.")


NewRow = tuple[str | None, float, int | None, int, int]
"""Key, score, when the row happened and when it was scored (µs since 1970), its number. Plain: there are millions."""


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """One row's score, and the row's number among the predictions it belongs to."""

    number: int
    score: float
    event_time: datetime | None
    computed_at: datetime


def key_text(values: Sequence[object]) -> str | None:
    """Write a key as the file holds it; None if part of it is null.

    Args:
        values: One per column: text, integers, booleans or aware datetimes.
    """
    if any(value is None for value in values):
        return None
    texts = [_text(value) for value in values]
    return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


class LookupWriter:
    """Writes a lookup file; memory stays bounded however many rows there are, since SQLite sorts on disk."""

    def __init__(self, path: Path) -> None:
        """Begin an empty file; a second one beside it holds the rows as they come, until `finish`."""
        self._staging = path.with_suffix(".staging")
        for leftover in (path, self._staging):
            leftover.unlink(missing_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._without_key = 0
        self._connection.execute("ATTACH ? AS staging", (str(self._staging),))
        # A half-written file is thrown away, so nothing needs a journal.
        for database in ("main", "staging"):
            self._connection.execute(f"PRAGMA {database}.journal_mode = OFF")
            self._connection.execute(f"PRAGMA {database}.synchronous = OFF")
        columns = "score REAL NOT NULL, event_time INTEGER, computed_at INTEGER NOT NULL, number INTEGER NOT NULL"
        self._connection.execute(f"CREATE TABLE staging.came (key TEXT NOT NULL, {columns})")
        self._connection.execute(f"CREATE TABLE main.scores (key TEXT PRIMARY KEY NOT NULL, {columns}) WITHOUT ROWID")
        self._connection.execute("CREATE TABLE main.about (json TEXT NOT NULL)")

    def add(self, rows: Iterable[NewRow]) -> None:
        """Add rows, in any order; one without a key is counted only."""
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO staging.came VALUES (?, ?, ?, ?, ?)", self._with_key(rows))
        self._connection.execute("COMMIT")

    def finish(
        self,
        *,
        precomputation_id: UUID,
        pipeline: str,
        version: int,
        dataset_version: int,
        key: tuple[KeyColumn, ...],
        computed_at: datetime,
    ) -> About:
        """Sort, and keep of each key the row that happened last."""
        (came,) = self._connection.execute("SELECT count(*) FROM staging.came").fetchone()
        self._connection.execute("BEGIN")
        self._connection.execute(
            "INSERT OR REPLACE INTO main.scores SELECT * FROM staging.came ORDER BY key, event_time, number"
        )
        (keys,) = self._connection.execute("SELECT count(*) FROM main.scores").fetchone()
        about = About(
            precomputation_id=precomputation_id,
            pipeline=pipeline,
            version=version,
            dataset_version=dataset_version,
            key=key,
            keys=keys,
            duplicates=came - keys,
            without_key=self._without_key,
            computed_at=computed_at,
        )
        self._connection.execute("INSERT INTO main.about VALUES (?)", (about.model_dump_json(),))
        self._connection.execute("COMMIT")
        return about

    def close(self) -> None:
        """Close the file and drop what was staged."""
        self._connection.close()
        self._staging.unlink(missing_ok=True)

    def _with_key(self, rows: Iterable[NewRow]) -> Iterator[NewRow]:
        for row in rows:
            if row[0] is None:
                self._without_key += 1
            else:
                yield row


class Lookup:
    """An open lookup file."""

    def __init__(self, connection: sqlite3.Connection, about: About) -> None:
        self._connection = connection
        self.about = about
        # Whoever still reads from a lookup that was replaced keeps it open.
        self._close = finalize(self, connection.close)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file, whose bytes nobody changes any more.

        Raises:
            ValueError: It is no lookup file.
        """
        uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
        # One thread opens it, another one asks; never two at once.
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA mmap_size = {LARGEST_MAP_BYTES}")
            (about,) = connection.execute("SELECT json FROM about").fetchone()
            return cls(connection, About.model_validate_json(about))
        except (sqlite3.DatabaseError, TypeError) as error:
            connection.close()
            raise ValueError(f"{path} is no lookup file: {error}") from error

    def key_of(self, asked: object) -> str:
        """Write the key somebody asks for as the file holds it.

        Args:
            asked: The value as JSON has it; for a key of several columns a list of values.

        Raises:
            UnfitKeyError: It has other columns or types.
        """
        columns = self.about.key
        values = asked if isinstance(asked, list) else [asked]
        if len(values) != len(columns):
            raise UnfitKeyError(f"a key is {' and '.join(column.name for column in columns)}, not {len(values)} values")
        typed = [_typed(value, column) for value, column in zip(values, columns, strict=True)]
        text = key_text(typed)
        assert text is not None, "no null passes as a value of a type"
        return text

    def get(self, key: str) -> ScoredRow | None:
        """Find the row of a key, as `key_of` writes it."""
        found = self._connection.execute(
            "SELECT score, event_time, computed_at, number FROM scores WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            return None
        score, event_time, computed_at, number = found
        return ScoredRow(number, score, None if event_time is None else _moment(event_time), _moment(computed_at))

    def close(self) -> None:
        """Let the file go; done too when nobody holds the lookup any more."""
        self._close()


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return str(value)


def _typed(value: object, column: KeyColumn) -> object:
    try:
        match column.type, value:
            case ColumnType.STRING, str():
                return value
            case ColumnType.BOOLEAN, bool():
                return value
            case ColumnType.INTEGER, int() | str() if not isinstance(value, bool):
                return int(value)
            case ColumnType.TIMESTAMP, str():
                moment = datetime.fromisoformat(value)
                return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            case _:
                raise ValueError(f"{type(value).__name__} found")
    except (OverflowError, ValueError) as error:
        raise UnfitKeyError(f"key column {column.name} is {column.type.value}: {error}") from error


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
