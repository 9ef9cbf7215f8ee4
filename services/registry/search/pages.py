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
from services.registry.search.sorting import Group, Part, Place, Sort, behind

Columns = TypeVarTuple("Columns")
MAX_TOKEN = 200_000
"""Characters; a tag sorted by has at most 8,000, of up to four bytes each."""
_DIGEST = 16
_LARGEST = 2**63 - 1

_Found = tuple[Row[Any], list[Place]]


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
    found: list[_Found] = []
    for part in parts or sorts[0].parts:
        if start and part.rank < start[0][0]:
            continue
        here = start if start and part.rank == start[0][0] else []
        found += await _part(session, rows, part, sorts, start=here, limit=question.limit + 1 - len(found))
        if len(found) > question.limit:
            things = found[: question.limit]
            return Page([row for row, _ in things], _token(things[-1][1], asked))
    return Page([row for row, _ in found])


async def _part(
    session: AsyncSession,
    rows: Select[*Columns],
    part: Part,
    sorts: Sequence[Sort],
    *,
    start: Sequence[Place],
    limit: int,
) -> list[_Found]:
    """Read things of one part, which an index may have in order, as it never has those with and without a value."""
    first, *others = sorts
    skipped = [(part.rank, None)] if part.rank else []
    within = others if part.rank else [first.valued, *others]
    rows = (rows.join(*part.join) if part.join else rows).where(part.where)
    for sort in others:
        rows = rows.outerjoin(*sort.join) if sort.join else rows
    if start:
        rows = rows.where(behind(within, start[len(skipped) :]))
    columns = [column for sort in within for column in sort.columns]
    clauses = [clause for sort in within for clause in sort.clauses]
    read: Any = rows.add_columns(*columns).order_by(*clauses).limit(limit)
    found: list[_Found] = []
    for row in await session.exec(read):
        values = iter(row[-len(columns) :])
        places = [sort.place([next(values) for _ in sort.columns]) for sort in within]
        found.append((row, [*skipped, *places]))
    return found


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
        return [_place(given, sort) for given, sort in zip(json.loads(body), sorts, strict=True)]
    except (ValueError, TypeError) as error:
        raise SearchError("Invalid page token: it is damaged, or belongs to another search.") from error


def _place(given: Any, sort: Sort) -> Place:
    rank, value = given
    if type(rank) is not int or (rank == 0 and type(value) is not (str if sort.holds is datetime else sort.holds)):
        raise TypeError("not where anything is")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ValueError("no such number is kept")
    return rank, datetime.fromisoformat(value) if sort.holds is datetime else value


def _digest(body: bytes, asked: bytes) -> bytes:
    """Tell tokens apart. It keeps mistakes out, not people: all a token can say is where to go on."""
    return sha256(asked + b"\0" + body).digest()[:_DIGEST]
