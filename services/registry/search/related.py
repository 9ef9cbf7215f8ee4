"""What is kept beside a thing, in rows of its own: tags, parameters, metrics, datasets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, or_, true

from services.registry.search.comparing import Column, compare
from services.registry.search.language import LISTED, NULL, NUMBER, TEXT, Condition, Key, Kind, Operator, SearchError
from services.registry.search.sorting import Join, Joined, Part, Sort
from services.registry.tracking.domain import LARGEST


class Related(Protocol):
    """Rows that belong to a thing, as a filter and an order see them."""

    @property
    def operators(self) -> frozenset[Operator]:
        """How their values may be compared."""

    def holds(self, condition: Condition) -> ColumnElement[bool]:
        """Say of which things a condition holds."""

    def sort(self, name: str, *, ascending: bool) -> Sort:
        """Sort the things by the value of a key.

        Raises:
            SearchError: They have no one value to be sorted by.
        """


@dataclass(frozen=True)
class Pairs:
    """Rows with a key and a value: tags, or parameters.

    Attributes:
        rows: The table, with columns ``key`` and ``value``.
        owner: The columns that say whose they are, with those of the thing.
        operators: How values may be compared.
    """

    rows: FromClause
    owner: Mapping[str, Column]
    operators: frozenset[Operator] = TEXT | NULL

    def holds(self, condition: Condition) -> ColumnElement[bool]:
        """Say of which things a condition holds; of none without the key, unless it is that."""
        row = self.rows.alias()
        named = self._named(row, condition.key.name)
        match condition.operator:
            case Operator.ABSENT:
                return ~exists().where(named)
            case Operator.PRESENT:
                return exists().where(named)
            case _:
                return exists().where(named, self._compared(row, condition))

    def sort(self, name: str, *, ascending: bool) -> Sort:
        """Sort by the value of a key."""
        row = self.rows.alias()
        join = row, self._named(row, name)
        rank = case((row.c.value.is_(None), 1), else_=0)
        parts = Part(0, true(), join), Part(1, self._without(name))
        return Sort(row.c.value, ascending=ascending, rank=rank, join=join, parts=parts)

    def _without(self, name: str) -> ColumnElement[bool]:
        return ~exists().where(self._named(self.rows.alias(), name))

    def _named(self, row: FromClause, name: str) -> ColumnElement[bool]:
        owned = (row.c[mine] == its for mine, its in self.owner.items())
        return and_(*owned, row.c.key == name)

    def _compared(self, row: FromClause, condition: Condition) -> ColumnElement[bool]:
        return compare(row.c.value, condition.operator, condition.value)


@dataclass(frozen=True)
class Numbers(Pairs):
    """Pairs whose values are numbers, with ``is_nan`` beside: NaN is unequal to all, and sorted after every number.

    Attributes:
        group: The column that says which group their owner is in, if there is one.
    """

    operators: frozenset[Operator] = NUMBER
    group: str | None = None

    def sort(self, name: str, *, ascending: bool) -> Sort:
        """Sort by the value of a key."""
        row = self.rows.alias()
        join = row, self._named(row, name)
        group = row.c[self.group] if self.group else None
        joined = Joined(Key(Kind.METRIC, name), partial(self._compared, row), group)
        return number_sort(row, join, self._without(name), ascending=ascending, joined=joined)

    def _compared(self, row: FromClause, condition: Condition) -> ColumnElement[bool]:
        compared = super()._compared(row, condition)
        if condition.operator is Operator.UNEQUAL:
            return or_(compared, row.c.is_nan.is_(True))
        return and_(compared, row.c.is_nan.is_(False))


def number_sort(
    row: FromClause, join: Join, without: ColumnElement[bool], *, ascending: bool, joined: Joined | None = None
) -> Sort:
    """Sort by numbers, of which there are those that are none, with 0 for a value."""
    rank = case((row.c.is_nan.is_(True), 1), (row.c.value.is_(None), 2), else_=0)
    # All numbers are in this range; SQLite, which knows nothing of the data, takes the index for there being one.
    numbers = and_(row.c.is_nan.is_(False), row.c.value.between(-LARGEST, LARGEST))
    parts = Part(0, numbers, join), Part(1, and_(row.c.is_nan.is_(True), row.c.value == 0), join), Part(2, without)
    return Sort(row.c.value, ascending=ascending, holds=float, rank=rank, join=join, parts=parts, joined=joined)


@dataclass(frozen=True)
class Linked:
    """Rows with columns of their own, any of which may match: the datasets a run used.

    Attributes:
        rows: The table.
        owner: The columns that say whose they are, with those of the thing.
        columns: Those that can be asked for.
    """

    rows: FromClause
    owner: Mapping[str, Column]
    columns: frozenset[str]
    operators: frozenset[Operator] = TEXT | LISTED

    def holds(self, condition: Condition) -> ColumnElement[bool]:
        """Say of which things a condition holds.

        Raises:
            SearchError: No such column can be asked for.
        """
        kind, name = condition.key.kind, condition.key.name
        if name not in self.columns:
            raise SearchError(f"Invalid {kind} key '{name}' specified. Valid keys are {sorted(self.columns)}")
        row = self.rows.alias()
        owned = (row.c[mine] == its for mine, its in self.owner.items())
        return exists().where(*owned, compare(row.c[name], condition.operator, condition.value))

    def sort(self, name: str, *, ascending: bool) -> Sort:
        """Refuse: there may be many."""
        raise SearchError(f"Invalid order_by: there may be many values of '{name}'.")
