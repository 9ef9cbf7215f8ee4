"""Runs that searches are tried on, and what looking at each of them finds."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.registry.search.language import Condition, Key, Kind, Operator, Order

EXPERIMENT = 7
VALUES = ("a", "A", "ab", "AB", "a_b", "a%", "*", "[a]", "a?", "b\nc", "ä", "'\"`\\", "")
NUMBERS = (-1.5, 0.0, 0.1, 1.0, 3.0, 1e300)


@dataclass(frozen=True)
class Tried:
    """A run with what it logged."""

    id: str
    name: str
    started_ms: int
    ended_ms: int | None
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: tuple[tuple[str, str | None], ...] = ()


NULLS = (Operator.ABSENT, Operator.PRESENT)


def holds(run: Tried, condition: Condition) -> bool:
    key = condition.key
    if key.kind is Kind.DATASET:
        among = [name if key.name == "name" else context for name, context in run.datasets]
        return any(_compares(value, condition.operator, condition.value) for value in among)
    return _compares(_value(run, key), condition.operator, condition.value)


def _value(run: Tried, key: Key) -> Any:
    match key.kind:
        case Kind.METRIC:
            return run.metrics.get(key.name)
        case Kind.PARAMETER:
            return run.params.get(key.name)
        case Kind.TAG:
            return run.tags.get(key.name)
        case _:
            own = {"run_id": run.id, "run_name": run.name, "start_time": run.started_ms, "end_time": run.ended_ms}
            return own[key.name]


def _compares(value: Any, operator: Operator, against: Any) -> bool:
    if operator in NULLS:
        return (value is None) is (operator is Operator.ABSENT)
    if value is None:
        return False
    match operator:
        case Operator.EQUAL:
            return bool(value == against)
        case Operator.UNEQUAL:
            return bool(value != against)
        case Operator.LESS:
            return bool(value < against)
        case Operator.AT_MOST:
            return bool(value <= against)
        case Operator.MORE:
            return bool(value > against)
        case Operator.AT_LEAST:
            return bool(value >= against)
        case Operator.LIKE:
            return bool(_pattern(against).fullmatch(value))
        case Operator.ILIKE:
            return bool(_pattern(against, re.IGNORECASE).fullmatch(value))
        case Operator.IN:
            return value in against
        case _:
            return value not in against


def _pattern(like: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile("".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in like), flags | re.DOTALL)


def found_by_looking(runs: Sequence[Tried], orders: Sequence[Order]) -> list[Tried]:
    ordered = sorted(runs, key=lambda run: run.id)
    for order in (
        (*reversed(orders),)
        if any(order.key.name == "start_time" for order in orders)
        else (Order(Key(Kind.ATTRIBUTE, "start_time"), ascending=False), *reversed(orders))
    ):
        with_value = [run for run in ordered if not _rank(_value(run, order.key))]
        with_value.sort(key=lambda run, key=order.key: _value(run, key), reverse=not order.ascending)
        without = sorted(
            (run for run in ordered if _rank(_value(run, order.key))),
            key=lambda run, key=order.key: _rank(_value(run, key)),
        )
        ordered = with_value + without
    return ordered


def _rank(value: Any) -> int:
    if value is None:
        return 2
    return int(isinstance(value, float) and math.isnan(value))
