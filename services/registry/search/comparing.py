"""One comparison of a column with a value, in SQL."""

from typing import Any, assert_never

from sqlalchemy import BigInteger, ColumnElement, Double, Text, literal
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.elements import SQLCoreOperations

from services.registry.search.language import Operator
from services.registry.search.text import ILike, Like

Column = Mapped[Any] | ColumnElement[Any]


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
