"""When a precomputation is wanted, and what becomes of it."""

from datetime import timedelta
from uuid import UUID

import pytest

from contracts.jobs import REFUSED_EXIT_CODE
from contracts.precompute import PrecomputationCompleted, PrecomputationFailed, PrecomputationFailure, Precompute
from services.chassis.jobs import Job, JobStatus
from services.serving.precompute.domain import State, follow, overdue, superfluous, wish
from tests.fakes.serving.examples import NOW
from tests.fakes.serving.prediction_files import report_of
from tests.unit.serving.precompute.examples import RULES, candidate, dataset, one, plan

LATER = NOW + timedelta(seconds=30)


def rules(**changes: object) -> Precompute:
    return RULES.model_copy(update=changes)


def test_nothing_is_wanted_without_rules_or_rows() -> None:
    assert wish(plan(precompute=None), candidate()) is None
    assert wish(plan(dataset=None), candidate()) is None
    assert wish(plan(precompute=rules(on_promotion=False, on_dataset=False)), candidate()) is None


def test_every_pair_of_version_and_dataset_is_wanted_once() -> None:
    pairs = [(version, rows) for version in (1, 2, 3) for rows in (1, 2, 3)]

    ids = {pair: wish(plan(dataset=dataset(pair[1])), candidate(pair[0])) for pair in pairs}

    assert len({wanted.id for wanted in ids.values() if wanted}) == len(pairs)
    assert all(wish(plan(dataset=dataset(rows)), candidate(version)) == ids[version, rows] for version, rows in pairs)


@pytest.mark.parametrize(
    ("on_promotion", "on_dataset", "again_for_version", "again_for_dataset"),
    [(True, False, True, False), (False, True, False, True)],
)
def test_only_what_the_rules_name_asks_again(
    on_promotion: bool, on_dataset: bool, again_for_version: bool, again_for_dataset: bool
) -> None:
    declared = rules(on_promotion=on_promotion, on_dataset=on_dataset)

    def id_of(version: int, rows: int) -> object:
        wanted = wish(plan(precompute=declared, dataset=dataset(rows)), candidate(version))
        return wanted.id if wanted else None

    assert (id_of(2, 1) != id_of(1, 1)) is again_for_version
    assert (id_of(1, 2) != id_of(1, 1)) is again_for_dataset


def test_a_wish_names_what_came_last() -> None:
    by_promotion = wish(plan(dataset=dataset(3, later_s=-5)), candidate(2))
    by_dataset = wish(plan(dataset=dataset(3, later_s=5)), candidate(2))

    assert by_promotion is not None
    assert by_dataset is not None
    assert (by_promotion.requested_by, by_promotion.cause.message_id) == ("policy:promotion", "promotion-2")
    assert (by_dataset.requested_by, by_dataset.cause.message_id) == ("policy:dataset", "dataset-3")


def test_only_a_newer_one_makes_another_superfluous() -> None:
    old, new = one(), one(id=UUID(int=2), requested_at=LATER)

    assert superfluous(old, [old, new]) == new
    assert superfluous(new, [old, new]) is None


def test_a_report_completes_even_where_the_cluster_forgot_the_job() -> None:
    running = one().begin().submitted()[0]

    for status in (JobStatus.SUCCEEDED, JobStatus.UNKNOWN):
        done, (fact,) = follow(running, Job(status), report_of(running.specify("/store")), LATER)
        assert done.state is State.COMPLETED
        assert isinstance(fact, PrecomputationCompleted)
        assert (fact.rows, fact.keys, fact.delta_version, fact.duration_s) == (100, 100, 3, 30.0)


def test_a_job_without_a_report_is_started_again_as_often_as_allowed() -> None:
    running = one().begin().submitted()[0]

    again, said = follow(running, Job(JobStatus.FAILED, 137, "killed"), None, LATER)
    over, (fact,) = follow(again.submitted()[0], Job(JobStatus.FAILED, 137, "killed again"), None, LATER)

    assert (again.state, again.attempt, said) == (State.SUBMITTING, 2, [])
    assert again.submission_id != running.submission_id
    assert again.specify("/store") == running.specify("/store")
    assert over.state is State.FAILED
    assert isinstance(fact, PrecomputationFailed)
    assert (fact.reason, fact.detail, fact.attempts) == (PrecomputationFailure.CRASHED, "killed again", 2)


def test_a_refusal_is_final() -> None:
    over, (fact,) = follow(
        one().begin().submitted()[0], Job(JobStatus.FAILED, REFUSED_EXIT_CODE, "refused: 3 rows"), None, LATER
    )

    assert over.state is State.FAILED
    assert isinstance(fact, PrecomputationFailed)
    assert (fact.reason, fact.detail) == (PrecomputationFailure.REFUSED, "refused: 3 rows")


def test_a_report_with_another_number_of_rows_is_refused() -> None:
    running = one().begin().submitted()[0]

    over, (fact,) = follow(running, Job(JobStatus.SUCCEEDED, 0), report_of(running.specify("/store"), rows=99), LATER)

    assert over.state is State.FAILED
    assert isinstance(fact, PrecomputationFailed)
    assert (fact.reason, fact.detail) == (
        PrecomputationFailure.REFUSED,
        "99 rows were scored, and the dataset version has 100",
    )


def test_waiting_for_a_place_does_not_count_as_running() -> None:
    running = one().begin().submitted()[0]
    waiting, _ = follow(running, Job(JobStatus.PENDING), None, NOW)
    begun, _ = follow(waiting, Job(JobStatus.RUNNING), None, NOW)

    assert not overdue(waiting, Job(JobStatus.PENDING), NOW + timedelta(days=1))
    assert not overdue(begun, Job(JobStatus.RUNNING), NOW + timedelta(seconds=60))
    assert overdue(begun, Job(JobStatus.RUNNING), NOW + timedelta(seconds=61))
