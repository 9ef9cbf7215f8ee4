"""What replicas shall do follows from what is on record, and nothing else."""

from services.serving.desired import desire
from services.serving.domain import RolloutState
from tests.fakes.serving.examples import deployment, rollout


def test_nothing_is_desired_before_a_rollout_begins() -> None:
    desired = desire(deployment(), [rollout()])

    assert (desired.versions, desired.answering) == ((), None)


def test_candidate_is_held_beside_the_version_that_answers() -> None:
    champion, candidate = rollout(1, state=RolloutState.COMPLETED), rollout(2, state=RolloutState.LOADING)

    desired = desire(deployment(answering=champion.id), [champion, candidate])

    assert [one.version for one in desired.versions] == [1, 2]
    assert desired.answering == 1


def test_former_version_stays_within_reach() -> None:
    former, champion = rollout(1, state=RolloutState.COMPLETED), rollout(2, state=RolloutState.FLIPPING)

    desired = desire(deployment(answering=champion.id, previous=former.id), [former, champion])

    assert [one.version for one in desired.versions] == [1, 2]
    assert desired.answering == 2


def test_version_that_did_not_pass_is_dropped() -> None:
    champion, failed = rollout(1, state=RolloutState.COMPLETED), rollout(2, state=RolloutState.ROLLED_BACK)

    desired = desire(deployment(answering=champion.id), [champion, failed])

    assert [one.version for one in desired.versions] == [1]


def test_versions_that_once_answered_are_kept_for_who_names_them() -> None:
    earlier = [rollout(number, state=RolloutState.COMPLETED) for number in (1, 2, 3, 4)]
    refused = rollout(5, state=RolloutState.ROLLED_BACK)

    desired = desire(deployment(answering=earlier[3].id, previous=earlier[2].id), [*earlier, refused])

    assert [one.version for one in desired.versions] == [3, 4]
    assert [one.version for one in desired.keep] == [2, 1]


def test_second_rollout_of_one_version_is_the_one_to_verify() -> None:
    first = rollout(1, state=RolloutState.COMPLETED)
    again = rollout(1, id=rollout(9).id, requested_at=rollout(9).requested_at, state=RolloutState.LOADING)

    desired = desire(deployment(answering=first.id), [first, again])

    assert [one.rollout_id for one in desired.versions] == [again.id]
    assert desired.answering == 1
