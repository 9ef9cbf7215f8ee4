"""Pages of a search: the next goes on behind the last thing seen, however many were added or removed before it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVarTuple

from sqlalchemy import Select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.search.language import SearchError
from services.registry.search.ports import Page, Question
from services.registry.search.searchable import Searchable
from services.registry.search.sorting import Place, Sort, behind

Columns = TypeVarTuple("Columns")
MAX_TOKEN = 200_000
"""Characters; a tag sorted by has at most 8,000, of up to four bytes each."""
_DIGEST = 16
_LARGEST = 2**63 - 1


async def page(
    session: AsyncSession, rows: Select[*Columns], searchable: Searchable, question: Question, *, of: Iterable[str]
) -> Page[Any]:
    """Read a page of the rows that are asked for.

    Args:
        session: Reads it.
        rows: All there are.
        searchable: How they can be asked for.
        question: What is asked of them.
        of: What else the answer depends on; a token goes on with the same question only.

    Returns:
        The columns of each row, and behind them those it is sorted by.

    Raises:
        SearchError: What is asked cannot be answered, or the token is another question's.
    """
    found = rows.where(*searchable.where(searchable.conditions(question.filter)))
    return await sorted_page(session, found, searchable.sorts(question.order), question, of=of)


async def sorted_page(
    session: AsyncSession, rows: Select[*Columns], sorts: Sequence[Sort], question: Question, *, of: Iterable[str]
) -> Page[Any]:
    """Read a page of rows already found, in an order in which no two are level."""
    asked = json.dumps([*of, question.filter, *question.order]).encode()
    for sort in sorts:
        rows = rows.outerjoin(*sort.join) if sort.join else rows
    if question.token:
        rows = rows.where(behind(sorts, _places(question.token, sorts, asked)))
    columns = [column for sort in sorts for column in sort.columns]
    clauses = [clause for sort in sorts for clause in sort.clauses]
    read: Any = rows.add_columns(*columns).order_by(*clauses).limit(question.limit + 1)
    found = (await session.exec(read)).all()
    if len(found) <= question.limit:
        return Page([*found])
    return Page([*found[: question.limit]], _token(found[question.limit - 1][-len(columns) :], sorts, asked))


def _token(read: Sequence[Any], sorts: Sequence[Sort], asked: bytes) -> str:
    places, columns = [], iter(read)
    for sort in sorts:
        rank, value = sort.place([next(columns) for _ in sort.columns])
        places.append([rank, value.isoformat() if isinstance(value, datetime) else value])
    body = json.dumps(places).encode()
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
