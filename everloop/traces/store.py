"""Spans in one SQLite file, found again by trace or by an id in their attributes."""

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from contracts import telemetry
from everloop.traces.span import Link, Span

MESSAGE_ID = "messaging.message.id"
SEARCHED = (MESSAGE_ID, telemetry.RUN_ID)
"""Attributes whose values a trace can be found by."""

SCHEMA = """
create table if not exists spans (
    trace_id text not null, span_id text not null, parent_id text, service text not null, name text not null,
    kind text not null, start_ns integer not null, end_ns integer not null, error text,
    attributes text not null, links text not null, primary key (trace_id, span_id)
) without rowid;
create index if not exists spans_by_time on spans (start_ns);
create table if not exists marks (
    value text not null, trace_id text not null, span_id text not null, primary key (value, trace_id, span_id)
) without rowid;
create table if not exists followers (
    trace_id text not null, follower_trace_id text not null, follower_span_id text not null,
    primary key (trace_id, follower_trace_id, follower_span_id)
) without rowid;
"""
COLUMNS = "trace_id, span_id, parent_id, service, name, kind, start_ns, end_ns, error, attributes, links"


class SpanStore:
    """The file and its queries. One writer, any number of readers."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._writing = threading.Lock()
        if read_only:
            self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=10, check_same_thread=False)
        self._connection.executescript("pragma journal_mode=wal; pragma synchronous=off;")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def add(self, spans: Iterable[Span]) -> None:
        """Keep spans; one that came before is replaced, as an exporter repeats itself after a lost answer."""
        spans = tuple(spans)
        with self._writing, self._connection as connection:
            connection.executemany(
                f"insert or replace into spans ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                map(_row, spans),
            )
            connection.executemany(
                "insert or ignore into marks values (?, ?, ?)",
                (
                    (str(span.attributes[key]), span.trace_id, span.span_id)
                    for span in spans
                    for key in SEARCHED
                    if key in span.attributes
                ),
            )
            connection.executemany(
                "insert or ignore into followers values (?, ?, ?)",
                (
                    (link.trace_id, span.trace_id, span.span_id)
                    for span in spans
                    for link in span.links
                    if link.trace_id != span.trace_id
                ),
            )

    def trace(self, trace_id: str) -> list[Span]:
        """Read all spans of one trace, earliest first."""
        return self._select("where trace_id = ? order by start_ns", trace_id)

    def followers(self, trace_id: str) -> list[Span]:
        """Read spans of other traces that link to this one."""
        return self._select(
            "where (trace_id, span_id) in "
            "(select follower_trace_id, follower_span_id from followers where trace_id = ?) order by start_ns",
            trace_id,
        )

    def traces_of(self, mark: str) -> list[str]:
        """Find the traces that mention a run or a message by its id, newest last."""
        rows = self._connection.execute(
            "select marks.trace_id from marks join spans using (trace_id, span_id) where value = ? "
            "group by marks.trace_id order by min(start_ns)",
            (mark,),
        )
        return [trace_id for (trace_id,) in rows]

    def starting_with(self, prefix: str) -> list[str]:
        """Find traces by the beginning of their id."""
        rows = self._connection.execute(
            "select distinct trace_id from spans where trace_id >= ? and trace_id < ? limit 3", (prefix, prefix + "g")
        )
        return [trace_id for (trace_id,) in rows]

    def forget_before(self, start_ns: int) -> int:
        """Delete spans that started earlier.

        Returns:
            How many were deleted.
        """
        with self._writing, self._connection as connection:
            gone = connection.execute("delete from spans where start_ns < ?", (start_ns,)).rowcount
            if gone:
                connection.execute("delete from marks where trace_id not in (select trace_id from spans)")
                connection.execute("delete from followers where follower_trace_id not in (select trace_id from spans)")
        return gone

    def _select(self, where: str, value: str) -> list[Span]:
        return [_span(row) for row in self._connection.execute(f"select {COLUMNS} from spans {where}", (value,))]  # noqa: S608


def _row(span: Span) -> tuple[object, ...]:
    return (
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.service,
        span.name,
        span.kind,
        span.start_ns,
        span.end_ns,
        span.error,
        json.dumps(dict(span.attributes)),
        json.dumps([(link.trace_id, link.span_id) for link in span.links]),
    )


def _span(row: tuple[str, str, str | None, str, str, str, int, int, str | None, str, str]) -> Span:
    return Span(*row[:9], json.loads(row[9]), tuple(Link(*link) for link in json.loads(row[10])))
