"""Pages of a search: the next goes on behind the last thing seen, however many were added or removed before it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVarTuple

from sqlalchemy import Row, Select, and_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.search.language import SearchError
from services.registry.search.ports import Page, Question
from services.registry.search.searchable import Searchable
from services.registry.search.sorting import LAST_RANK, Group, Part, Place, Sort, behind

Columns = TypeVarTuple("Columns")
MAX_TOKEN = 200_000
"""Characters; a tag sorted by has at most 8,000, of up to four bytes each."""
_DIGEST = 16
_LARGEST = 2**63 - 1


async def page(
    session: AsyncSession,
    rows: Select[*Columns],
    searchable: Searchable,
    question: Question,
    *,
    of: Iterable[str],
    group: Group | None = None,
) -> Page[Any]:
    """Read a page of the rows that are asked for.

    Args:
        session: Reads it.
        rows: All there are.
        searchable: How they can be asked for.
        question: What is asked of them.
        of: What else the answer depends on; a token goes on with the same question only.
        group: Which groups' rows are asked for; unset: they are in none.

    Returns:
        The columns of each row, and behind them those it is sorted by.

    Raises:
        SearchError: What is asked cannot be answered, or the token is another question's.
    """
    sorts = searchable.sorts(question.order)
    parts, others = sorts[0].narrowed(searchable.conditions(question.filter))
    if group:
        parts = tuple(replace(part, where=and_(part.where, group.holds(part, sorts[0]))) for part in parts)
    return await sorted_page(session, rows.where(*searchable.where(others)), sorts, question, of=of, parts=parts)


async def sorted_page(
    session: AsyncSession,
    rows: Select[*Columns],
    sorts: Sequence[Sort],
    question: Question,
    *,
    of: Iterable[str],
    parts: Sequence[Part] = (),
) -> Page[Any]:
    """Read a page of rows already found, in an order in which no two are level; ``parts`` stand for the first's."""
    asked = json.dumps([*of, question.filter, *question.order]).encode()
    start = _places(question.token, sorts, asked) if question.token else []
    connection = await session.connection()
    found: list[tuple[Row[Any], Part]] = []
    for part in parts or sorts[0].parts:
        if start and part.rank < start[0][0]:
            continue
        here = start if start and part.rank == start[0][0] else []
        read = _part(rows, part, sorts, start=here).limit(question.limit + 1 - len(found))
        found += [(row, part) for row in await connection.execute(read)]
        if len(found) > question.limit:
            things = found[: question.limit]
            return Page([row for row, _ in things], _token(_place(*things[-1], sorts), asked))
    return Page([row for row, _ in found])


def _part(rows: Select[*Columns], part: Part, sorts: Sequence[Sort], *, start: Sequence[Place]) -> Any:
    """Ask for one part, which an index may have in order, as it never has things with and without a value."""
    within = _within(part, sorts)
    rows = (rows.join(*part.join) if part.join else rows).where(part.where)
    for sort in sorts[1:]:
        rows = rows.outerjoin(*sort.join) if sort.join else rows
    if start:
        rows = rows.where(behind(within, start[-len(within) :]))
    columns = [column for sort in within for column in sort.columns]
    return rows.add_columns(*columns).order_by(*(clause for sort in within for clause in sort.clauses))


def _within(part: Part, sorts: Sequence[Sort]) -> list[Sort]:
    """Say what sorts a part: among things without a value only what comes second."""
    return [*sorts[1:]] if part.rank else [sorts[0].valued, *sorts[1:]]


def _place(row: Row[Any], part: Part, sorts: Sequence[Sort]) -> list[Place]:
    """Tell where a thing is by each sort, from the columns behind its own."""
    within = _within(part, sorts)
    values = iter(row[-sum(len(sort.columns) for sort in within) :])
    places = [sort.place([next(values) for _ in sort.columns]) for sort in within]
    return [(part.rank, None), *places] if part.rank else places


def _token(places: Sequence[Place], asked: bytes) -> str:
    plain = [(rank, value.isoformat() if isinstance(value, datetime) else value) for rank, value in places]
    body = json.dumps(plain).encode()
    return urlsafe_b64encode(_digest(body, asked) + body).decode()


def _places(token: str, sorts: Sequence[Sort], asked: bytes) -> list[Place]:
    try:
        if len(token) > MAX_TOKEN:
            raise ValueError("too long")
        content = urlsafe_b64decode(token.encode("ascii"))
        digest, body = content[:_DIGEST], content[_DIGEST:]
        if digest != _digest(body, asked):
            raise ValueError("another search's")
        return [_given(given, sort) for given, sort in zip(json.loads(body), sorts, strict=True)]
    except (ValueError, TypeError, RecursionError) as error:
        raise SearchError("Invalid page token: it is damaged, or belongs to another search.") from error


def _given(given: Any, sort: Sort) -> Place:
    rank, value = given
    if type(rank) is int and 0 < rank <= LAST_RANK and value is None:
        return rank, None
    if rank != 0 or type(value) is not (str if sort.holds is datetime else sort.holds):
        raise TypeError("not where anything is")
    if (isinstance(value, int) and abs(value) > _LARGEST) or (isinstance(value, str) and b"\0" in value.encode()):
        raise ValueError("no database keeps this")
    return 0, datetime.fromisoformat(str(value)) if sort.holds is datetime else value


def _digest(body: bytes, asked: bytes) -> bytes:
    """Tell tokens apart. It keeps mistakes out, not people: all a token can say is where to go on."""
    return sha256(asked + b"\0" + body).digest()[:_DIGEST]
