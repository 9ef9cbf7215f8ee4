"""Runs side by side show what differs, and nothing else."""

import math

from services.registry.tracking.comparison import compare
from services.registry.tracking.domain import Dataset, DatasetInput, Metric, RunRecord

DATA = DatasetInput(Dataset("flights", "abc", "local", "flights.csv"))
ONE = RunRecord(
    metrics=(Metric("auc", 0.7, 1), Metric("loss", 0.3, 1), Metric("broken", math.nan, 1)),
    params={"depth": "3", "seed": "1"},
    tags={"team": "arrivals"},
    datasets=(DATA,),
)
OTHER = RunRecord(
    metrics=(Metric("auc", 0.7, 5), Metric("loss", 0.2, 1), Metric("broken", math.nan, 2)),
    params={"depth": "4", "seed": "1", "rate": "0.1"},
    tags={"team": "arrivals"},
)


def test_only_what_differs_is_told() -> None:
    difference = compare([ONE, OTHER])

    assert difference.params == {"depth": ("3", "4"), "rate": (None, "0.1")}
    assert difference.metrics == {"loss": (0.3, 0.2)}
    assert difference.tags == {}
    assert difference.datasets == {"flights@abc": (True, False)}
    assert difference.same == 3


def test_equal_runs_do_not_differ() -> None:
    difference = compare([ONE, ONE, ONE])

    assert (difference.params, difference.metrics, difference.tags, difference.datasets) == ({}, {}, {}, {})
    assert difference.same == 6


def test_order_is_kept() -> None:
    there, back = compare([ONE, OTHER]), compare([OTHER, ONE])

    assert {key: tuple(reversed(values)) for key, values in there.params.items()} == back.params
