"""What a cause leads to, case by case."""

from datetime import timedelta

import pytest

from contracts.pipeline import Policy, Retraining, Trigger, TriggerKind
from contracts.training import SkipReason
from services.chassis.errors import MalformedError
from services.training.domain import (
    Decision,
    Join,
    Situation,
    Skip,
    Start,
    check,
    decide,
    outweighs,
    scheduled,
    specify,
)
from services.training.run import RunState
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


def test_weightier_or_later_cause_stays_due() -> None:
    data, drift, quality = (examples.run_cause(kind) for kind in AUTOMATIC[:3])

    assert outweighs(quality, drift)
    assert outweighs(drift, drift)
    assert not outweighs(data, drift)


def test_schedule_falls_due_once_its_time_has_passed() -> None:
    hourly = Trigger(on=TriggerKind.SCHEDULE, every=timedelta(hours=1))

    assert scheduled(hourly, examples.NOON, examples.NOON + timedelta(minutes=59)) is None
    assert scheduled(hourly, examples.NOON, examples.NOON + timedelta(hours=3)) == examples.NOON + timedelta(hours=1)


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
