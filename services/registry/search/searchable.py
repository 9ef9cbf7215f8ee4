"""What can be asked of one kind of thing, and which columns answer."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement

from services.registry.search.comparing import Column, compare
from services.registry.search.language import (
    LISTED,
    NULL,
    NUMBER,
    TEXT,
    Condition,
    Key,
    Kind,
    Operator,
    Order,
    SearchError,
)
from services.registry.search.parsing import read_filter, read_order
from services.registry.search.related import Related
from services.registry.search.sorting import Sort

MAX_SORTS = 20


@dataclass(frozen=True)
class Attribute:
    """A column of the thing itself.

    Attributes:
        column: Where it is.
        operators: How it may be compared: some of TEXT and LISTED, or NUMBER; none if it can only be sorted by.
        holds: str, int, float or datetime.
        nullable: Whether it may hold nothing.
        is_id: Whether it is text that any locale sorts alike, and an index sorts already.
        read: Makes the column's value of the text it is compared with.
    """

    column: Column
    operators: frozenset[Operator] = TEXT
    holds: type = str
    nullable: bool = False
    is_id: bool = False
    read: Callable[[str], Any] = str

    def value_of(self, condition: Condition) -> Any:
        """Read what the column is compared with."""
        match condition.value:
            case str():
                return self.read(condition.value)
            case tuple():
                return tuple(map(self.read, condition.value))
            case _:
                return condition.value


def text(column: Column, *, listed: bool = False, nullable: bool = False) -> Attribute:
    """Describe a column of text; ``listed``: it can be looked for in a list."""
    return Attribute(column, TEXT | LISTED if listed else TEXT, nullable=nullable)


def identifier(column: Column, *, nullable: bool = False) -> Attribute:
    """Describe a column of ids."""
    return Attribute(column, TEXT | LISTED, nullable=nullable, is_id=True)


def number(column: Column, *, nullable: bool = False) -> Attribute:
    """Describe a column of whole numbers."""
    return Attribute(column, NUMBER, int, nullable=nullable)


@dataclass(frozen=True)
class Searchable:
    """One kind of thing.

    Attributes:
        attributes: Its own columns, by name.
        related: What is kept beside it.
        ties: Sorted by after what was asked for; the last of them tell any two things apart.
        order: Sorted by when nothing was asked for.
        also: Other names of attributes.
    """

    attributes: Mapping[str, Attribute]
    related: Mapping[Kind, Related]
    ties: tuple[Order, ...]
    order: tuple[Order, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)

    def conditions(self, filter_: str) -> tuple[Condition, ...]:
        """Read a filter, and make sure that it can be asked of these things.

        Raises:
            SearchError: It cannot be read, or not be asked.
        """
        return tuple(self._checked(condition) for condition in read_filter(filter_))

    def where(self, conditions: Iterable[Condition]) -> list[ColumnElement[bool]]:
        """Say in SQL which things are meant."""
        return [self._holds(condition) for condition in conditions]

    def sorts(self, clauses: Sequence[str]) -> list[Sort]:
        """Read the clauses of an order.

        Raises:
            SearchError: One cannot be read or be sorted by, or there are two of the same.
        """
        asked = [read_order(clause) for clause in clauses] or list(self.order)
        if len(asked) > MAX_SORTS:
            raise SearchError(f"Invalid order_by: more than {MAX_SORTS} clauses.")
        orders = [Order(self._key(order.key, self.attributes), order.ascending) for order in asked]
        keys = {order.key for order in orders}
        if len(keys) < len(orders):
            raise SearchError(f"`order_by` contains duplicate fields: {list(clauses)}")
        return [self._sort(order) for order in [*orders, *(tie for tie in self.ties if tie.key not in keys)]]

    def sort(self, order: Order) -> Sort:
        """Sort by one key.

        Raises:
            SearchError: These things cannot be sorted by it.
        """
        return self._sort(Order(self._key(order.key, self.attributes), order.ascending))

    def _key(self, key: Key, allowed: Collection[str]) -> Key:
        if key.kind is not Kind.ATTRIBUTE:
            if key.kind not in self.related:
                kinds = [str(kind) for kind in (Kind.ATTRIBUTE, *self.related)]
                raise SearchError(f"Invalid entity type '{key.kind}'. Valid entity types are {kinds}")
            return key
        name = self.also.get(key.name, key.name)
        if name not in allowed:
            raise SearchError(f"Invalid attribute key '{key.name}' specified. Valid keys are {[*allowed]}")
        return Key(Kind.ATTRIBUTE, name)

    def _checked(self, condition: Condition) -> Condition:
        key = self._key(condition.key, [name for name, attribute in self.attributes.items() if attribute.operators])
        own = self.attributes[key.name] if key.kind is Kind.ATTRIBUTE else None
        operators = own.operators if own else self.related[key.kind].operators
        if condition.operator in LISTED - operators:
            names = [name for name, attribute in self.attributes.items() if attribute.operators >= LISTED]
            raise SearchError(f"Only {names} attributes support comparison with a list of quoted string values.")
        if condition.operator in NULL - operators:
            raise SearchError(
                f"IS NULL / IS NOT NULL is only supported for tags and params, not for '{key.kind}' '{key.name}'"
            )
        if condition.operator not in operators:
            known = [str(operator) for operator in Operator if operator in operators]
            raise SearchError(f"Invalid comparator '{condition.operator}' not one of {known}")
        if Operator.LESS in operators and isinstance(condition.value, str):
            raise SearchError(f"Expected numeric value type for {key.kind} '{key.name}'. Found '{condition.value}'")
        if Operator.LESS not in operators and isinstance(condition.value, int | float):
            raise SearchError(
                f"Expected a quoted string value for {key.kind} (e.g. 'my-value'). Got value {condition.value}"
            )
        return Condition(key, condition.operator, condition.value)

    def _holds(self, condition: Condition) -> ColumnElement[bool]:
        if condition.key.kind is not Kind.ATTRIBUTE:
            return self.related[condition.key.kind].holds(condition)
        attribute = self.attributes[condition.key.name]
        return compare(attribute.column, condition.operator, attribute.value_of(condition))

    def _sort(self, order: Order) -> Sort:
        if order.key.kind is not Kind.ATTRIBUTE:
            return self.related[order.key.kind].sort(order.key.name, ascending=order.ascending)
        attribute = self.attributes[order.key.name]
        sort = Sort.of_nullable if attribute.nullable else Sort
        return sort(attribute.column, ascending=order.ascending, holds=attribute.holds, is_id=attribute.is_id)
