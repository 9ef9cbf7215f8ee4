"""What things are sorted by, and what comes after a place in that order."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, or_

from services.registry.search.comparing import Column, compare
from services.registry.search.language import Operator
from services.registry.search.text import Plain

Place = tuple[int, Any]
"""Where a thing is by one sort: its rank, and its value where the rank is 0."""


class Sort:
    """Something things are sorted by. Those without a value come last, whichever way the others go."""

    def __init__(
        self,
        value: Column,
        *,
        ascending: bool = True,
        holds: type = str,
        nullable: bool = False,
        is_id: bool = False,
        rank: ColumnElement[int] | None = None,
        join: tuple[Any, ColumnElement[bool]] | None = None,
    ) -> None:
        """Sort by a column.

        Args:
            value: The column; text is sorted by code point.
            ascending: Smallest first.
            holds: str, int, float or datetime.
            nullable: Whether there may be no value.
            is_id: Whether it is text that is sorted so in any locale, and by an index.
            rank: Sorted by before the value, 0 where there is one; made from ``nullable`` unless given.
            join: What has to be joined for the column to be there, and on what.
        """
        self.holds = holds
        self.join = join
        self.rank = case((value.is_(None), 1), else_=0) if rank is None and nullable else rank
        self._value: Any = Plain(value) if holds is str and not is_id else value
        self._ascending = ascending

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """What says where a thing is."""
        return [self._value] if self.rank is None else [self.rank, self._value]

    @property
    def clauses(self) -> list[ColumnElement[Any]]:
        """What to order by."""
        return [*self.columns[:-1], self._value.asc() if self._ascending else self._value.desc()]

    def place(self, read: Sequence[Any]) -> Place:
        """Tell a thing's place from what its columns hold."""
        return (0, read[0]) if self.rank is None else (read[0], read[1])

    def after(self, place: Place) -> ColumnElement[bool]:
        """Say what comes after a place, by this sort alone."""
        rank, value = place
        if self.rank is None:
            return self._beyond(value)
        if rank:
            return self.rank > rank
        return or_(self.rank > 0, and_(self.rank == 0, self._beyond(value)))

    def level(self, place: Place) -> ColumnElement[bool]:
        """Say what is at a place, by this sort alone."""
        rank, value = place
        if self.rank is None:
            return compare(self._value, Operator.EQUAL, value)
        if rank:
            return self.rank == rank
        return and_(self.rank == 0, compare(self._value, Operator.EQUAL, value))

    def _beyond(self, value: Any) -> ColumnElement[bool]:
        return compare(self._value, Operator.MORE if self._ascending else Operator.LESS, value)


def behind(sorts: Sequence[Sort], places: Sequence[Place]) -> ColumnElement[bool]:
    """Say what comes after a thing. The sorts together tell any two things apart."""
    condition: ColumnElement[bool] = false()
    for sort, place in zip(reversed(sorts), reversed(places), strict=True):
        condition = or_(sort.after(place), and_(sort.level(place), condition))
    # Said once more about the first sort alone, for an index can be entered there, but not at an alternative.
    return and_(or_(sorts[0].after(places[0]), sorts[0].level(places[0])), condition)
