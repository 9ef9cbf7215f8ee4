"""What is left of a day."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.pipeline import Budget, TrainerName
from contracts.training import FailureReason
from services.training.budget import Allowance, Spent, day_of
from services.training.domain import specify
from services.training.run import Run, RunState, reserved_cpus
from tests.fakes.training import examples
from tests.fakes.training.examples import NOON


def allowance(spent: Spent, **budget: float) -> Allowance:
    return Allowance(Budget(**budget), spent, NOON)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "begins"),
    [("UTC", "2026-03-29T00:00"), ("Europe/Berlin", "2026-03-28T23:00"), ("America/New_York", "2026-03-28T04:00")],
)
def test_day_begins_at_the_midnight_of_the_budgets_zone(zone: str, begins: str) -> None:
    beginning, end = day_of(Budget(max_runs=1, time_zone=zone), datetime(2026, 3, 29, 1, tzinfo=UTC))

    assert beginning.isoformat(timespec="minutes") == f"{begins}+00:00"
    # Clocks went forward that day in Berlin.
    assert end - beginning == timedelta(hours=23 if zone == "Europe/Berlin" else 24)


def test_runs_are_counted() -> None:
    assert allowance(Spent(runs=1), max_runs=2).exhausted is None
    assert allowance(Spent(runs=2), max_runs=2).exhausted == "2 of 2 runs of the day have begun"


@pytest.mark.parametrize(
    ("spent", "may"),
    [
        (Spent(runs=1, compute_s=60, expected_s=40), True),
        (Spent(runs=1, compute_s=61, expected_s=40), False),
        (Spent(runs=1, compute_s=100, expected_s=0), False),
        (Spent(runs=0, compute_s=0, expected_s=400), True),
    ],
)
def test_run_may_begin_if_what_it_is_expected_to_take_is_left_or_it_is_the_days_first(spent: Spent, may: bool) -> None:
    assert (allowance(spent, max_compute_s=100).exhausted is None) is may


def running(**trainer: object) -> Run:
    pipeline = examples.pipeline()
    definition = pipeline.definition
    trainer_of = definition.trainer.model_copy(update=trainer)
    pipeline = pipeline.model_copy(update={"definition": definition.model_copy(update={"trainer": trainer_of})})
    spec = specify(examples.run(), pipeline, examples.dataset(), "/store/runs/x")
    return examples.run().pin(spec).run.submitted(NOON).run


def test_compute_is_the_time_of_every_attempt_times_its_cpus() -> None:
    run = running(cpus_per_worker=2.0).begun(NOON + timedelta(seconds=100)).run
    crashed = run.retry_or_fail(FailureReason.CRASHED, "boom", NOON + timedelta(seconds=110)).run
    again = crashed.submitted(NOON + timedelta(seconds=200)).run
    done = again.succeed(examples.result(), NOON + timedelta(seconds=205)).run

    # The first waited for its place until it was seen to run; the second ended before anybody looked.
    assert (crashed.compute_s, done.compute_s) == (20, 30)


def test_attempt_that_is_stopped_counts_too() -> None:
    run = running().begun(NOON).run.stop(FailureReason.CANCELLED, "so").run

    assert run.fail(FailureReason.CANCELLED, "so", NOON + timedelta(seconds=7)).run.compute_s == 7


def test_workers_of_a_distributed_trainer_count_each() -> None:
    trainer = examples.definition().trainer.model_copy(update={"workers": 3, "cpus_per_worker": 2.0})

    assert reserved_cpus(trainer) == 2
    assert reserved_cpus(trainer.model_copy(update={"name": TrainerName.TORCH})) == 6


def test_run_that_never_began_takes_nothing_of_its_day() -> None:
    waits = examples.run(state=RunState.AWAITING_APPROVAL)

    assert waits.begun_at is None
    assert waits.approve("ada", NOON).run.begun_at == NOON
    assert examples.run().fail(FailureReason.CANCELLED, "so", NOON).run.begun_at is None
    assert examples.run().begun_at == examples.run().created_at
