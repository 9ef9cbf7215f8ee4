"""What a cause leads to, case by case."""

from datetime import timedelta

import pytest

from contracts.pipeline import Budget, Policy, Retraining, Trigger, TriggerKind
from contracts.training import SkipReason
from services.chassis.errors import MalformedError
from services.training.budget import Allowance, Spent
from services.training.domain import (
    Decision,
    Join,
    Situation,
    Skip,
    Start,
    check,
    decide,
    heaviest_first,
    specify,
)
from services.training.run import RunState
from services.training.standing import Wait
from tests.fakes.training import examples

AUTOMATIC = [TriggerKind.DATA, TriggerKind.DRIFT, TriggerKind.QUALITY, TriggerKind.LABELS]


def situation(**fields: object) -> Situation:
    content: dict[str, object] = {
        "retraining": Retraining(triggers=examples.ALL_TRIGGERS),
        "newest": 2,
        "active": None,
        "used": 1,
        "last_as_of": None,
        "new_rows": 1000,
        "new_labels": 1000,
    }
    return Situation(**content | fields)  # type: ignore[arg-type]


def declared(on: TriggerKind, **fields: object) -> Retraining:
    return Retraining(triggers=(Trigger(on=on, **fields),))  # type: ignore[arg-type]


def reason(decision: Decision | None) -> SkipReason | None:
    return decision.reason if isinstance(decision, Skip) else None


@pytest.mark.parametrize("kind", [*AUTOMATIC, TriggerKind.PERSON])
def test_new_data_and_a_cause_start_a_run(kind: TriggerKind) -> None:
    assert decide(examples.run_cause(kind), situation()) == Start()


@pytest.mark.parametrize("kind", [*AUTOMATIC, TriggerKind.SCHEDULE])
def test_what_the_pipeline_has_no_trigger_for_is_no_cause(kind: TriggerKind) -> None:
    assert decide(examples.run_cause(kind), situation(retraining=Retraining(triggers=()))) is None


def test_person_needs_no_trigger() -> None:
    cause = examples.run_cause(TriggerKind.PERSON)

    assert decide(cause, situation(retraining=Retraining(triggers=()))) == Start()


def test_nothing_starts_without_data() -> None:
    assert reason(decide(examples.run_cause(TriggerKind.PERSON), situation(newest=None))) is SkipReason.NO_DATA


def test_policy_ask_starts_a_run_that_waits() -> None:
    retraining = declared(TriggerKind.DRIFT, policy=Policy.ASK)

    assert decide(examples.run_cause(TriggerKind.DRIFT), situation(retraining=retraining)) == Start(asks=True)


def test_policy_notify_starts_nothing() -> None:
    retraining = declared(TriggerKind.DRIFT, policy=Policy.NOTIFY)

    assert reason(decide(examples.run_cause(TriggerKind.DRIFT), situation(retraining=retraining))) is SkipReason.POLICY


def test_first_dataset_needs_no_least_number_of_rows() -> None:
    few = situation(retraining=declared(TriggerKind.DATA, min_new_rows=5000), used=None)

    assert decide(examples.run_cause(), few) == Start()


@pytest.mark.parametrize(("rows", "expected"), [(4999, None), (5000, Start())])
def test_rows_count_since_the_data_last_learnt_from(rows: int, expected: Start | None) -> None:
    counted = situation(retraining=declared(TriggerKind.DATA, min_new_rows=5000), new_rows=rows)

    assert decide(examples.run_cause(), counted) == expected


@pytest.mark.parametrize(("labels", "expected"), [(99, None), (100, Start())])
def test_labels_count_since_the_last_run(labels: int, expected: Start | None) -> None:
    assert decide(examples.run_cause(TriggerKind.LABELS), situation(new_labels=labels)) == expected


@pytest.mark.parametrize(("days", "expected"), [(-30, SkipReason.COOLDOWN), (6, SkipReason.COOLDOWN), (7, None)])
def test_cooldown_is_measured_in_the_time_of_the_data(days: int, expected: SkipReason | None) -> None:
    cause = examples.run_cause(TriggerKind.DRIFT)
    assert cause.as_of is not None
    retraining = Retraining(triggers=examples.ALL_TRIGGERS, cooldown=timedelta(days=7))
    cooling = situation(retraining=retraining, last_as_of=cause.as_of - timedelta(days=days))

    assert reason(decide(cause, cooling)) is expected


def test_person_does_not_wait_for_cooldown_or_data() -> None:
    cause = examples.run_cause(TriggerKind.PERSON)
    retraining = Retraining(cooldown=timedelta(days=7))

    assert decide(cause, situation(retraining=retraining, last_as_of=cause.as_of, used=2)) == Start()


@pytest.mark.parametrize("kind", [TriggerKind.DRIFT, TriggerKind.QUALITY, TriggerKind.LABELS])
def test_cause_without_new_data_stays_due(kind: TriggerKind) -> None:
    decision = decide(examples.run_cause(kind), situation(used=2))

    assert isinstance(decision, Skip)
    assert (decision.reason, decision.due) == (SkipReason.NO_NEW_DATA, True)


def test_cause_joins_a_run_that_will_take_the_newest_data() -> None:
    active = examples.run()

    assert decide(examples.run_cause(number=2), situation(active=active)) == Join(active, releases=True)


def test_cause_outlives_a_run_on_older_data() -> None:
    spec = specify(examples.run(), examples.pipeline(), examples.dataset(1), "/store/runs/x")
    active = examples.run().pin(spec).run

    decision = decide(examples.run_cause(number=2), situation(active=active, newest=2))

    assert decision == Join(active, releases=True, due=True)


def test_cause_that_asks_does_not_release_a_run_that_waits() -> None:
    active = examples.run(state=RunState.AWAITING_APPROVAL)
    asking = situation(active=active, retraining=declared(TriggerKind.DRIFT, policy=Policy.ASK))

    assert decide(examples.run_cause(TriggerKind.DRIFT, number=2), asking) == Join(active, releases=False)


def test_weightiest_cause_that_waits_is_decided_first() -> None:
    data, drift, quality = (examples.heard(number, kind=kind) for number, kind in enumerate(AUTOMATIC[:3]))

    assert heaviest_first([drift, data, quality]) == [quality, drift, data]


def held_back(**fields: object) -> Situation:
    """Refused twice, so that drift waits for day 100, and no run is left of today's budget."""
    cause = examples.run_cause(TriggerKind.DRIFT, day=100)
    content: dict[str, object] = {
        "wait": Wait(TriggerKind.DRIFT, 2, cause.as_of),  # type: ignore[arg-type]
        "allowance": Allowance(Budget(max_runs=1), Spent(runs=1), examples.NOON + timedelta(hours=12)),
        "last_event": examples.DATA_TIME,
    }
    return situation(**content | fields)


def test_cause_waits_for_data_that_are_new_enough_after_refusals() -> None:
    decision = decide(examples.run_cause(TriggerKind.DRIFT, day=99), held_back())

    assert isinstance(decision, Skip)
    assert (decision.reason, decision.due) == (SkipReason.BACKOFF, True)
    assert decision.for_data_of == examples.run_cause(day=100).as_of


@pytest.mark.parametrize(("day", "last_event_day"), [(100, 0), (60, 100)])
def test_wait_after_refusals_ends_with_the_cause_or_the_data_that_reach_it(day: int, last_event_day: int) -> None:
    last_event = examples.DATA_TIME + timedelta(days=last_event_day)

    decision = decide(examples.run_cause(TriggerKind.DRIFT, day=day), held_back(allowance=None, last_event=last_event))

    assert decision == Start()


def test_cause_waits_for_the_day_that_has_a_budget_again() -> None:
    decision = decide(examples.run_cause(TriggerKind.DRIFT, day=100), held_back())

    assert isinstance(decision, Skip)
    assert (decision.reason, decision.due) == (SkipReason.BUDGET, True)
    assert decision.until == examples.NOON + timedelta(hours=12)
    assert "1 of 1 runs of the day have begun" in decision.detail


def test_person_is_held_back_by_neither_refusals_nor_budget() -> None:
    assert decide(examples.run_cause(TriggerKind.PERSON, day=0), held_back()) == Start()


def test_person_may_be_asked_for_a_run_beyond_the_budget_but_not_against_refusals() -> None:
    asks = declared(TriggerKind.DRIFT, policy=Policy.ASK)

    assert decide(examples.run_cause(TriggerKind.DRIFT, day=100), held_back(retraining=asks)) == Start(asks=True)
    refused = decide(examples.run_cause(TriggerKind.DRIFT, day=99), held_back(retraining=asks))
    assert reason(refused) is SkipReason.BACKOFF


def test_cause_that_is_held_back_releases_no_run_that_waits_for_a_person() -> None:
    active = examples.run(state=RunState.AWAITING_APPROVAL)

    decision = decide(examples.run_cause(TriggerKind.DRIFT, day=100), held_back(active=active))

    assert reason(decision) is SkipReason.BUDGET


def test_spec_takes_over_what_a_person_wished() -> None:
    run = examples.run(wishes={"parameters": {"leaves": 7, "rate": 0.1}, "seed": 0})

    spec = specify(run, examples.pipeline(), examples.dataset(), "/store/runs/x")

    assert (spec.parameters, spec.seed) == ({"leaves": 7, "rate": 0.1}, 0)


def test_definition_of_another_name_is_refused() -> None:
    with pytest.raises(MalformedError, match="pipeline name differs"):
        check("trains", examples.definition())


def test_two_triggers_of_one_kind_are_refused() -> None:
    twice = examples.definition(triggers=(Trigger(on=TriggerKind.DATA), Trigger(on=TriggerKind.DATA)))

    with pytest.raises(MalformedError, match="trigger declared twice"):
        check(examples.NAME, twice)
