"""Filters and orders of any shape."""

from hypothesis import strategies as some

from services.registry.search.language import LISTED, NULL, NUMBER, TEXT, Condition, Key, Kind, Operator, Order

WORDS = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NUMBERS = some.integers(-(2**63) + 1, 2**63 - 1) | some.floats(allow_nan=False, allow_infinity=False)
_KNOWN = some.sampled_from(("name", "run_id", "start_time", "end_time", "status", "experiment_id", "context"))
KEYS = some.builds(Key, some.sampled_from(Kind), WORDS | _KNOWN)
ORDERS = some.builds(Order, KEYS, some.booleans())


def _condition(key: Key, operator: Operator) -> some.SearchStrategy[Condition]:
    if operator in NULL:
        return some.just(Condition(key, operator))
    if operator in LISTED:
        lists = some.lists(WORDS, min_size=1, max_size=4).map(tuple)
        return some.builds(Condition, some.just(key), some.just(operator), lists)
    values = (WORDS if operator in TEXT else some.nothing()) | (NUMBERS if operator in NUMBER else some.nothing())
    return some.builds(Condition, some.just(key), some.just(operator), values)


CONDITIONS = some.tuples(KEYS, some.sampled_from(Operator)).flatmap(lambda given: _condition(*given))
