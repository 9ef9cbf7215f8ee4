"""What may be logged, and what is said about it."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import MAX_BODY_BYTES, seal
from contracts.tracking import RunLogged
from services.chassis.errors import RejectedError
from services.registry.tracking import facts, runs
from services.registry.tracking.domain import LARGEST, Metric, Run, RunStatus, Stage, TagChange, latest, storable
from services.registry.tracking.limits import check_experiment, check_keys
from tests.contracts.examples import NOON
from tests.fakes.registry.tracking import InMemoryRuns

RUN = Run("f" * 32, "1", "flights", "bold-crane-1", "ada", RunStatus.RUNNING, 1, "mlflow-artifacts:/1/x/artifacts")


@pytest.fixture
async def kept() -> InMemoryRuns:
    kept = InMemoryRuns()
    await runs.create(RUN, kept, tags={})
    return kept


@pytest.mark.parametrize("key", ["", ".", "..", "/a", "a/", "a//b", "a/../b", "a,b", "a\nb", "a" * 251, "tab\there"])
def test_keys_that_would_lead_elsewhere_are_refused(key: str) -> None:
    with pytest.raises(RejectedError):
        check_keys("key", [key])


def test_keys_may_be_paths() -> None:
    check_keys("key", ["a", "train/loss", "x.y-z: 1", "größe", "mlflow.source.name"])


@pytest.mark.parametrize(
    "location",
    ["runs:/abc", "s3://b/../c", "s3://b/%2e%2e/c", "s3://b/%252e%252e/c", "s3://b/#c", "s3://b?c=d", "x" * 2049],
)
def test_places_that_lead_elsewhere_are_refused(location: str) -> None:
    with pytest.raises(RejectedError):
        check_experiment("name", location, {})


async def test_a_parameter_never_changes(kept: InMemoryRuns) -> None:
    await runs.log_batch(RUN.id, kept, kept, params={"depth": "3"})
    await runs.log_batch(RUN.id, kept, kept, params={"depth": "3"})

    with pytest.raises(RejectedError, match="depth is '3', not '4'"):
        await runs.log_batch(RUN.id, kept, kept, params={"depth": "4"})


async def test_too_much_at_once_is_refused(kept: InMemoryRuns) -> None:
    point = Metric("loss", 0.5, 1)
    texts = {str(number): "" for number in range(101)}

    with pytest.raises(RejectedError, match="metrics"):
        await runs.log_batch(RUN.id, kept, kept, metrics=[point] * 1001)
    with pytest.raises(RejectedError, match="params"):
        await runs.log_batch(RUN.id, kept, kept, params=texts)
    with pytest.raises(RejectedError, match="metrics, params and tags"):
        await runs.log_batch(RUN.id, kept, kept, metrics=[point] * 1000, params={"a": "b"})


async def test_nothing_is_logged_to_a_run_that_was_put_away(kept: InMemoryRuns) -> None:
    await runs.delete(RUN.id, kept, by="ada (mlflow)", at_ms=5)

    with pytest.raises(RejectedError, match="run deleted"):
        await runs.log_batch(RUN.id, kept, kept, params={"a": "b"})
    assert kept.kept[RUN.id] == replace(RUN, stage=Stage.DELETED, deleted_ms=5)


@settings(deadline=None)
@given(st.lists(st.builds(Metric, st.sampled_from("ab"), st.floats(), st.integers(0, 3), st.integers(0, 3))))
def test_of_each_metric_one_point_is_the_latest(points: list[Metric]) -> None:
    newest = {point.key: point for point in latest(points)}

    assert set(newest) == {point.key for point in points}
    for point in points:
        known = newest[point.key]
        assert (known.step, known.timestamp_ms) >= (point.step, point.timestamp_ms)


def test_infinities_become_the_largest_number() -> None:
    assert [storable(value) for value in (math.inf, -math.inf, 1.5)] == [LARGEST, -LARGEST, 1.5]
    assert math.isnan(storable(math.nan))


@settings(deadline=None)
@given(
    letter=st.sampled_from(["a", "ß", "\u20ac", "\U0001f600", "\x01", '"']),
    params=st.integers(0, 100),
    metrics=st.integers(0, 1000),
    tags=st.integers(0, 100),
)
def test_however_much_is_logged_the_bus_takes_it(letter: str, params: int, metrics: int, tags: int) -> None:
    said = facts.logged(
        RUN,
        params={f"{number}{'k' * 240}": letter * 6000 for number in range(params)},
        metrics=[Metric(f"{number}{'k' * 240}", -1.7976931348623157e308, 2**62, 2**62) for number in range(metrics)],
        tags=[TagChange(f"{number}{'k' * 240}", letter * 8000, letter * 8000) for number in range(tags)],
    )

    told: list[RunLogged] = []
    for fact in said:
        assert isinstance(fact, RunLogged)
        assert len(seal(fact, message_id="m" * 36, source="registry", time=NOON).to_bytes()) <= MAX_BODY_BYTES
        told.append(fact)
    assert sum(len(fact.params) for fact in told) == params
    assert sum(len(fact.metrics) for fact in told) == metrics
    assert sum(len(fact.tags) for fact in told) == tags


def test_an_ordinary_batch_is_one_fact() -> None:
    points = [Metric(f"loss_of_layer_{number}", 0.123456789, 1795280947988, number) for number in range(1000)]

    assert len(facts.logged(RUN, metrics=points)) == 1
