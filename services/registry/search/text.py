"""Text compared and sorted alike by SQLite and PostgreSQL: patterns know no escape, order is by code point."""

from typing import Any

from sqlalchemy import literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, Text

from services.registry.search.language import SearchError

MAX_PATTERN = 10_000
"""Characters of a pattern; SQLite takes 50,000 bytes, and one written for it is up to four times as long."""


class Like(FunctionElement[bool]):
    """Whether a text is like a pattern, upper and lower case told apart."""

    type = Boolean()
    inherit_cache = True
    name = "like"

    def __init__(self, column: Any, pattern: str) -> None:
        super().__init__(column, literal(_bounded(pattern), Text()), literal(_glob(pattern), Text()))


class ILike(FunctionElement[bool]):
    """Whether a text is like a pattern, upper and lower case being the same; in SQLite of A to Z only."""

    type = Boolean()
    inherit_cache = True
    name = "ilike"

    def __init__(self, column: Any, pattern: str) -> None:
        super().__init__(column, literal(_bounded(pattern), Text()))


class Plain(FunctionElement[str]):
    """A text to be sorted by code point, whatever the database's locale."""

    type = Text()
    inherit_cache = True
    name = "plain"


@compiles(Like)
def _like(element: Like, compiler: SQLCompiler, **how: Any) -> str:
    column, pattern, _ = _parts(element, compiler, how)
    return f"({column} LIKE {pattern} ESCAPE '')"


@compiles(Like, "sqlite")
def _like_sqlite(element: Like, compiler: SQLCompiler, **how: Any) -> str:
    # SQLite's LIKE takes upper and lower case for the same.
    column, _, glob = _parts(element, compiler, how)
    return f"({column} GLOB {glob})"


@compiles(ILike)
def _ilike(element: ILike, compiler: SQLCompiler, **how: Any) -> str:
    column, pattern = _parts(element, compiler, how)
    return f"({column} ILIKE {pattern} ESCAPE '')"


@compiles(ILike, "sqlite")
def _ilike_sqlite(element: ILike, compiler: SQLCompiler, **how: Any) -> str:
    column, pattern = _parts(element, compiler, how)
    return f"({column} LIKE {pattern})"


@compiles(Plain)
def _plain(element: Plain, compiler: SQLCompiler, **how: Any) -> str:
    return f'({_parts(element, compiler, how)[0]} COLLATE "C")'


@compiles(Plain, "sqlite")
def _plain_sqlite(element: Plain, compiler: SQLCompiler, **how: Any) -> str:
    return _parts(element, compiler, how)[0]


def _parts(element: FunctionElement[Any], compiler: SQLCompiler, how: dict[str, Any]) -> list[str]:
    return [compiler.process(part, **how) for part in element.clauses]


def _bounded(pattern: str) -> str:
    if len(pattern) > MAX_PATTERN:
        raise SearchError(f"Invalid pattern: longer than {MAX_PATTERN} characters.")
    return pattern


def _glob(pattern: str) -> str:
    return pattern.translate({ord("*"): "[*]", ord("?"): "[?]", ord("["): "[[]", ord("%"): "*", ord("_"): "?"})
