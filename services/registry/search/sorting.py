"""What things are sorted by, and what comes after a place in that order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, or_, true

from services.registry.search.comparing import Column, compare
from services.registry.search.language import Condition, Key, Operator
from services.registry.search.text import Plain

Join = tuple[Any, ColumnElement[bool]]
"""What is joined, and on what."""
LAST_RANK = 2
"""That of what has no number, behind what is not a number."""
Place = tuple[int, Any]
"""Where a thing is by one sort: its rank, and its value where the rank is 0."""


@dataclass(frozen=True)
class Part:
    """The things of one rank: all that have a value, or all that have none for one reason.

    Attributes:
        rank: Parts come in the order of their ranks; 0 is that of things with a value.
        where: Which things these are.
        join: What has to be joined to say so.
    """

    rank: int
    where: ColumnElement[bool]
    join: Join | None = None


@dataclass(frozen=True)
class Joined:
    """A value that was joined to sort by it, so that what is asked of it need not be looked up again.

    Attributes:
        key: What it is the value of.
        compared: Says whether a condition about it holds.
        group: Where it is said beside it which group its thing is in, if it is.
    """

    key: Key
    compared: Callable[[Condition], ColumnElement[bool]]
    group: Column | None = None


_ALL = Part(0, true())


class Sort:
    """Something things are sorted by. Those without a value come last, whichever way the others go."""

    def __init__(
        self,
        value: Column,
        *,
        ascending: bool = True,
        holds: type = str,
        is_id: bool = False,
        rank: ColumnElement[int] | None = None,
        join: Join | None = None,
        parts: tuple[Part, ...] = (_ALL,),
        joined: Joined | None = None,
    ) -> None:
        """Sort by a column.

        Args:
            value: The column; text is sorted by code point.
            ascending: Smallest first.
            holds: str, int, float or datetime.
            is_id: Whether it is text that is sorted so in any locale, and by an index.
            rank: Sorted by before the value; unset: everything has a value.
            join: What has to be joined for the column to be there.
            parts: The same ranks, each to be found by itself.
            joined: How conditions about the value itself are met, where the parts have joined it.
        """
        self.holds = holds
        self.rank = rank
        self.join = join
        self.parts = parts
        self.joined = joined
        self._value: Any = Plain(value) if holds is str and not is_id else value
        self._ascending = ascending

    @classmethod
    def of_nullable(cls, value: Column, *, ascending: bool, holds: type, is_id: bool) -> "Sort":
        """Sort by a column that may hold nothing."""
        rank = case((value.is_(None), 1), else_=0)
        parts = (Part(0, value.is_not(None)), Part(1, value.is_(None)))
        return cls(value, ascending=ascending, holds=holds, is_id=is_id, rank=rank, parts=parts)

    def narrowed(self, conditions: Sequence[Condition]) -> tuple[tuple[Part, ...], list[Condition]]:
        """Leave only things in the parts whose value meets the conditions about it; gives the other conditions too."""
        own = [condition for condition in conditions if self.joined and condition.key == self.joined.key]
        if not self.joined or not own:
            return self.parts, [*conditions]
        met = [self.joined.compared(condition) for condition in own]
        parts = (replace(part, where=and_(part.where, *met)) for part in self.parts if part.join)
        return (*parts,), [condition for condition in conditions if condition not in own]

    @property
    def valued(self) -> "Sort":
        """What sorts the things with a value."""
        return Sort(self._value, ascending=self._ascending, holds=self.holds, is_id=True)

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
        return (0, read[0]) if self.rank is None else (read[0], None if read[0] else read[1])

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


@dataclass(frozen=True)
class Group:
    """The groups whose things are asked for: experiments, for their runs.

    Attributes:
        column: Where a thing says which group it is in.
        among: Those that are asked for.
    """

    column: Column
    among: Sequence[int]

    def holds(self, part: Part, sort: Sort) -> ColumnElement[bool]:
        """Say which things are in the groups, by what the part has joined if that says it too.

        Said of both, a database that has not counted its rows yet joins them by the group, each with each.
        """
        beside = sort.joined.group if sort.joined and part.join else None
        return compare(self.column if beside is None else beside, Operator.IN, self.among)


def behind(sorts: Sequence[Sort], places: Sequence[Place]) -> ColumnElement[bool]:
    """Say what comes after a thing. The sorts together tell any two things apart."""
    condition: ColumnElement[bool] = false()
    for sort, place in zip(reversed(sorts), reversed(places), strict=True):
        condition = or_(sort.after(place), and_(sort.level(place), condition))
    # Said once more about the first sort alone, for an index can be entered there, but not at an alternative.
    return and_(or_(sorts[0].after(places[0]), sorts[0].level(places[0])), condition)
