"""One comparison of a column with a value, in SQL."""

from typing import Any, assert_never

from sqlalchemy import BigInteger, ColumnElement, Double, FromClause, Text, literal
from sqlalchemy.orm import class_mapper
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import SQLModel

from services.registry.search.language import Operator
from services.registry.search.text import ILike, Like

Column = ColumnElement[Any]


def table(rows: type[SQLModel]) -> FromClause:
    """Find the table of rows. Statements of tables are made in half the time of those of what is mapped to them."""
    return class_mapper(rows, configure=False).local_table


def compare(column: Column, operator: Operator, value: Any) -> ColumnElement[bool]:
    """Compare; what holds nothing compares with nothing, as in SQL."""
    against: SQLCoreOperations[Any] = column
    match operator:
        case Operator.EQUAL:
            return against == _bound(value)
        case Operator.UNEQUAL:
            return against != _bound(value)
        case Operator.LESS:
            return against < _bound(value)
        case Operator.AT_MOST:
            return against <= _bound(value)
        case Operator.MORE:
            return against > _bound(value)
        case Operator.AT_LEAST:
            return against >= _bound(value)
        case Operator.LIKE:
            return Like(column, value)
        case Operator.ILIKE:
            return ILike(column, value)
        case Operator.IN:
            return against.in_(value)
        case Operator.NOT_IN:
            return against.not_in(value)
        case Operator.ABSENT:
            return against.is_(None)
        case Operator.PRESENT:
            return against.is_not(None)
        case _:
            assert_never(operator)


def _bound(value: Any) -> ColumnElement[Any]:
    # Typed by the value: typed by a narrower column, PostgreSQL would refuse what is beyond it.
    match value:
        case int():
            return literal(value, BigInteger())
        case float():
            return literal(value, Double())
        case str():
            return literal(value, Text())
        case _:
            return literal(value)
