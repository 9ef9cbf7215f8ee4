"""Whatever may be asked of runs."""

import math

from hypothesis import strategies as some

from services.registry.search.language import Condition, Key, Kind, Operator, Order
from tests.ports.registry_search.tried import NULLS, NUMBERS, VALUES, Tried

PATTERNS = ("%", "a%", "A%", "%b", "a_b", "_", "[a]", "*", "a?", "%\n%", "a%b%", "\\%", "")
RUNS = some.lists(
    some.builds(
        Tried,
        some.integers(0, 200).map("{:032x}".format),
        some.sampled_from(VALUES),
        some.integers(0, 3),
        some.none() | some.integers(0, 3),
        some.dictionaries(some.sampled_from("mn"), some.sampled_from((*NUMBERS, math.nan)), max_size=2),
        some.dictionaries(some.sampled_from("pq"), some.sampled_from(VALUES), max_size=2),
        some.dictionaries(some.sampled_from(("t", "a.b c")), some.sampled_from(VALUES), max_size=2),
        some.lists(some.tuples(some.sampled_from("de"), some.none() | some.sampled_from(VALUES)), max_size=2).map(
            lambda used: tuple({name: (name, context) for name, context in used}.values())
        ),
    ),
    max_size=7,
    unique_by=lambda run: run.id,
)
TEXTS = (Operator.EQUAL, Operator.UNEQUAL)
LIKES = (Operator.LIKE, Operator.ILIKE)
_LISTS = (Operator.IN, Operator.NOT_IN)
COMPARISONS = (Operator.EQUAL, Operator.UNEQUAL, Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST)
_NAMED = some.sampled_from("pqr").map(lambda name: Key(Kind.PARAMETER, name)) | some.sampled_from(
    ("t", "a.b c", "none")
).map(lambda name: Key(Kind.TAG, name))
_WORDS = (
    _NAMED
    | some.just(Key(Kind.ATTRIBUTE, "run_name"))
    | some.sampled_from((Key(Kind.DATASET, "name"), Key(Kind.DATASET, "context")))
)
_COUNTED = some.sampled_from(
    (
        Key(Kind.METRIC, "m"),
        Key(Kind.METRIC, "n"),
        Key(Kind.METRIC, "none"),
        Key(Kind.ATTRIBUTE, "start_time"),
        Key(Kind.ATTRIBUTE, "end_time"),
    )
)
CONDITIONS = (
    some.builds(Condition, _WORDS, some.sampled_from(TEXTS), some.sampled_from(VALUES))
    | some.builds(Condition, _WORDS, some.sampled_from(LIKES), some.sampled_from(PATTERNS))
    | some.builds(Condition, _NAMED, some.sampled_from(NULLS))
    | some.builds(
        Condition, _COUNTED, some.sampled_from(COMPARISONS), some.sampled_from((*NUMBERS, 2, -(2**62), 1e308))
    )
    | some.builds(
        Condition,
        some.just(Key(Kind.DATASET, "context")),
        some.sampled_from(_LISTS),
        some.lists(some.sampled_from(VALUES), min_size=1, max_size=3).map(tuple),
    )
    | some.builds(
        Condition,
        some.just(Key(Kind.ATTRIBUTE, "run_id")),
        some.sampled_from(_LISTS),
        some.lists(some.integers(0, 200).map("{:032x}".format), min_size=1, max_size=3).map(tuple),
    )
)
ORDERS = some.lists(
    some.builds(Order, _NAMED | _COUNTED | some.just(Key(Kind.ATTRIBUTE, "run_name")), some.booleans()),
    max_size=3,
    unique_by=lambda order: order.key,
)
