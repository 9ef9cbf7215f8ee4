"""The filter language says what MLflow's users expect it to say."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.registry.search.language import Condition, Key, Kind, Operator, Order, SearchError
from services.registry.search.parsing import MAX_CONDITIONS, MAX_LISTED, read_filter, read_order
from tests.unit.registry.search.filters import CONDITIONS, ORDERS, WORDS


@given(some.lists(CONDITIONS, max_size=5))
def test_a_filter_written_down_is_read_back(conditions: list[Condition]) -> None:
    assert list(read_filter(" AND ".join(map(str, conditions)))) == conditions


@given(ORDERS)
def test_an_order_written_down_is_read_back(order: Order) -> None:
    assert read_order(str(order)) == order


@given(WORDS | some.text(alphabet="tags.x'`\"=<>!() ,ANDINOTLKEU019-", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_filter, read_order):
        with suppress(SearchError):
            read(text)


@pytest.mark.parametrize(
    ("text", "key", "operator", "value"),
    [
        ("metrics.rmse < 1", Key(Kind.METRIC, "rmse"), Operator.LESS, 1),
        ("metric.rmse<=-1.5e-3", Key(Kind.METRIC, "rmse"), Operator.AT_MOST, -0.0015),
        ("metrics.`cross-entropy loss` > .5", Key(Kind.METRIC, "cross-entropy loss"), Operator.MORE, 0.5),
        ("metrics.huge = 1" + "0" * 400, Key(Kind.METRIC, "huge"), Operator.EQUAL, float("inf")),
        ("params.model = 'tree'", Key(Kind.PARAMETER, "model"), Operator.EQUAL, "tree"),
        ('param.model = "it\'s"', Key(Kind.PARAMETER, "model"), Operator.EQUAL, "it's"),
        ("parameters.\"a b\" != 'it''s'", Key(Kind.PARAMETER, "a b"), Operator.UNEQUAL, "it's"),
        ("tags.mlflow.parentRunId = 'f00'", Key(Kind.TAG, "mlflow.parentRunId"), Operator.EQUAL, "f00"),
        ("tag.`mlflow.prompt.is_prompt` != 'true'", Key(Kind.TAG, "mlflow.prompt.is_prompt"), Operator.UNEQUAL, "true"),
        ("tags.größe LIKE '%klein%'", Key(Kind.TAG, "größe"), Operator.LIKE, "%klein%"),
        ("tags.`a``b` ilike 'x'", Key(Kind.TAG, "a`b"), Operator.ILIKE, "x"),
        ("tags.x is  null", Key(Kind.TAG, "x"), Operator.ABSENT, None),
        ("tags.x IS NOT NULL", Key(Kind.TAG, "x"), Operator.PRESENT, None),
        ("run_id IN ('a', \"b\",)", Key(Kind.ATTRIBUTE, "run_id"), Operator.IN, ("a", "b")),
        ("attributes.run_id not in ('a')", Key(Kind.ATTRIBUTE, "run_id"), Operator.NOT_IN, ("a",)),
        ("`Run Name` = 'x'", Key(Kind.ATTRIBUTE, "Run Name"), Operator.EQUAL, "x"),
        ("`dataset`.name = 'x'", Key(Kind.DATASET, "name"), Operator.EQUAL, "x"),
        ("\n run.start_time\t>=\n 5 ", Key(Kind.ATTRIBUTE, "start_time"), Operator.AT_LEAST, 5),
    ],
)
def test_a_condition_may_be_written_so(text: str, key: Key, operator: Operator, value: object) -> None:
    assert read_filter(text) == (Condition(key, operator, value),)  # type: ignore[arg-type]


def test_conditions_are_joined_by_and_in_any_case() -> None:
    assert len(read_filter("a = 'AND' and b = 'x' AND tags.`AND` IS NULL And c = '1'")) == 4
    assert read_filter("  ") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 'x' OR b = 'y'", "Invalid clause(s) in filter string: 'OR'"),
        ("a = 'x' b = 'y'", "Invalid clause(s) in filter string: 'b'"),
        ("a = 'x' AND", "nothing after AND"),
        ("AND a = 'x'", "Invalid clause(s)"),
        ("(a = 'x')", "Invalid clause(s) in filter string: '('"),
        ("a = 'x'; DROP TABLE runs", "Invalid clause(s)"),
        ("a = 'x", "Invalid clause(s)"),
        ("a = 'x\0'", "NUL"),
        ("a", "a key without comparison"),
        ("a <> 'x'", "Invalid clause(s) in filter string: '<>'"),
        ("a == 'x'", "Invalid clause(s) in filter string: '=='"),
        ("a = x", "Parameter value is either not quoted"),
        ("a = `x`", "Parameter value is either not quoted"),
        ("a =", "Parameter value is either not quoted"),
        ("a IS 'x'", "Invalid clause(s)"),
        ("metrics.1.2.3x > 1.2.3", "Invalid clause(s)"),
        ("trace.x = 'y'", "Invalid entity type 'trace'. Valid values are"),
        ("run_id IN 'a'", "expected a non-empty list of string values"),
        ("run_id IN ()", "but got empty list"),
        ("run_id IN (1)", "ill-formed list"),
        ("run_id IN ('a' 'b')", "ill-formed list"),
        ("run_id IN ('a'", "ill-formed list"),
        (" AND ".join(["a = 'x'"] * (MAX_CONDITIONS + 1)), "more than 100 conditions"),
        ("a IN ('x'" + ", 'x'" * MAX_LISTED + ")", "more than 10000 listed values"),
        ("a = '" + "x" * 1_000_000 + "'", "longer than"),
    ],
    ids=lambda given: given[:30],
)
def test_anything_else_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(SearchError) as refused:
        read_filter(text)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("start_time", Order(Key(Kind.ATTRIBUTE, "start_time"))),
        ("metrics.`a b` desc", Order(Key(Kind.METRIC, "a b"), ascending=False)),
        ("attribute.name ASC", Order(Key(Kind.ATTRIBUTE, "name"))),
        ("timestamp DESC", Order(Key(Kind.ATTRIBUTE, "timestamp"), ascending=False)),
    ],
)
def test_an_order_may_be_written_so(text: str, order: Order) -> None:
    assert read_order(text) == order


@pytest.mark.parametrize("text", ["", "a b", "a ASC DESC", "a, b", "a ASC,", "1", "a.b", "'"])
def test_any_other_order_is_refused(text: str) -> None:
    with pytest.raises(SearchError):
        read_order(text)
