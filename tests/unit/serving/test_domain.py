"""A rollout goes as far as its replicas say, and never gives traffic to what did not pass."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.serving import RolloutCompleted, RolloutRolledBack, RolloutStarted
from services.serving.advancing import advance, supersede
from services.serving.domain import OPEN, Fleet, Held, HoldState, Replica, Rollout, RolloutState, settle
from services.serving.telling import news
from tests.fakes.serving.examples import NOW, deployment, fleet, replica, rollout

MINUTE = timedelta(minutes=1)
URL = "http://serve/v2/models/flights"


def test_rollout_waits_for_a_first_replica() -> None:
    assert advance(rollout(), deployment(), fleet(), now=NOW) == rollout()


def test_rollout_begins_with_the_first_replica() -> None:
    after = advance(rollout(), deployment(), fleet(Replica("a")), now=NOW)

    assert after.state is RolloutState.LOADING
    assert after.started_at == NOW


def test_cluster_that_gives_up_ends_the_rollout() -> None:
    after = advance(rollout(), deployment(), fleet(failure="no such image"), now=NOW)

    assert after.state is RolloutState.ROLLED_BACK
    assert "no such image" in after.detail


def test_pointer_flips_once_every_replica_has_loaded() -> None:
    one = loading()
    loaded, late = replica("a", one, HoldState.LOADED), replica("b", one, HoldState.LOADING)

    assert advance(one, deployment(replicas=2), fleet(loaded), now=NOW) == one
    assert advance(one, deployment(replicas=2), fleet(loaded, late), now=NOW) == one
    ready = fleet(loaded, replica("b", one, HoldState.LOADED))
    assert advance(one, deployment(replicas=2), ready, now=NOW).state is RolloutState.FLIPPING


def test_one_failed_replica_rolls_back_with_its_words() -> None:
    one = loading()
    seen = fleet(replica("a", one, HoldState.LOADED), replica("b", one, HoldState.FAILED, detail="digest mismatch"))

    after = advance(one, deployment(replicas=2), seen, now=NOW)

    assert (after.state, after.detail) == (RolloutState.ROLLED_BACK, "replica b: digest mismatch")


def test_report_about_an_older_rollout_of_the_same_version_does_not_count() -> None:
    one = loading()
    stale = Replica("a", {one.version: Held(rollout(99).id, HoldState.FAILED, "long ago")})

    assert advance(one, deployment(), fleet(stale), now=NOW) == one


def test_slow_replica_is_named_when_time_is_up() -> None:
    one = loading()
    later = NOW + timedelta(seconds=61)

    after = advance(one, deployment(), fleet(replica("a", one, HoldState.LOADING)), now=later)

    assert after.state is RolloutState.ROLLED_BACK
    assert after.detail == "not loaded within 60 s by a"


def test_flipped_rollout_is_complete_once_every_replica_answers() -> None:
    one = replace(loading(), state=RolloutState.FLIPPING)
    slow, done = replica("a", one, HoldState.LOADED), replica("a", one, HoldState.LOADED, answering=1)

    for seen in (fleet(slow), fleet(), replace(fleet(done), reachable=False)):
        assert advance(one, deployment(), seen, now=NOW).state is RolloutState.FLIPPING
    after = advance(one, deployment(), fleet(done), now=NOW)
    assert (after.state, after.replicas, after.finished_at) == (RolloutState.COMPLETED, 1, NOW)


def test_traffic_that_does_not_move_in_time_moves_back() -> None:
    one = replace(loading(), state=RolloutState.FLIPPING)
    done, stays = replica("a", one, HoldState.LOADED, answering=1), replica("b", one, HoldState.LOADED, answering=9)
    begun = advance(one, deployment(), replace(fleet(done, stays), reachable=False), flip_timeout=MINUTE, now=NOW)

    def later(seconds: int, *replicas: Replica, reachable: bool = False) -> Rollout:
        seen = replace(fleet(*replicas), reachable=reachable)
        wanted = deployment(replicas=2)
        return advance(begun, wanted, seen, flip_timeout=MINUTE, now=NOW + timedelta(seconds=seconds))

    assert later(60, done, stays) == begun
    over = later(61, done, stays)
    assert (over.state, over.finished_at) == (RolloutState.ROLLED_BACK, NOW + timedelta(seconds=61))
    assert over.detail == "not all traffic within 60 s: b does not answer with it, the front does not reach it"
    assert later(61, done, reachable=True).state is RolloutState.COMPLETED, "callers are answered, by what is there"
    assert later(60, done, reachable=True) == begun
    assert later(1000).flipping_since is None, "its time begins with the first replica of a cluster that was away"


@pytest.mark.parametrize("state", [state for state in RolloutState if state not in OPEN])
def test_what_is_over_stays_over(state: RolloutState) -> None:
    over = rollout(state=state)

    assert advance(over, deployment(), fleet(replica("a", over, HoldState.LOADED)), now=NOW) == over


def test_every_ending_is_said() -> None:
    one = loading()
    done = replace(one, state=RolloutState.COMPLETED, finished_at=NOW + timedelta(seconds=3), replicas=2)

    assert news(rollout(), one, serving_version=None, url=URL) == RolloutStarted(
        pipeline="flights", rollout_id=one.id, version=1
    )
    assert news(one, done, serving_version=1, url=URL) == RolloutCompleted(
        pipeline="flights",
        rollout_id=one.id,
        version=1,
        bundle_uri=one.bundle_uri,
        bundle_digest=one.bundle_digest,
        url=URL,
        replicas=2,
        duration_s=2.0,
    )
    assert news(one, supersede(one, 2, now=NOW), serving_version=None, url=URL) == RolloutRolledBack(
        pipeline="flights",
        rollout_id=one.id,
        version=1,
        reason="superseded by version 2",
        superseded=True,
        promoted_at=one.requested_at,
    )
    assert news(one, one, serving_version=None, url=URL) is None


def test_taking_over_twice_keeps_the_way_back() -> None:
    first, second = rollout(1, state=RolloutState.COMPLETED), rollout(2, state=RolloutState.FLIPPING)
    served = settle(deployment(), first)

    once = settle(served, second)

    assert (once.answering, once.previous) == (second.id, first.id)
    assert settle(once, second) == once
    assert settle(once, replace(second, state=RolloutState.ROLLED_BACK)) == replace(served, previous=None)


replicas = st.builds(
    Replica,
    name=st.sampled_from("abc"),
    held=st.dictionaries(
        st.integers(1, 2), st.builds(Held, st.sampled_from([rollout(1).id, rollout(2).id]), st.sampled_from(HoldState))
    ),
    answering=st.none() | st.integers(1, 2),
)


@given(st.lists(st.lists(replicas, max_size=3, unique_by=lambda one: one.name), max_size=8), st.integers(1, 3))
def test_no_version_gets_traffic_before_every_replica_loaded_it(worlds: list[list[Replica]], wanted: int) -> None:
    one = rollout()
    for step, seen in enumerate(worlds):
        before = one
        one = advance(one, deployment(replicas=wanted), Fleet(tuple(seen)), now=NOW + timedelta(seconds=step))
        if one.state is RolloutState.FLIPPING and before.state is not RolloutState.FLIPPING:
            assert before.state is RolloutState.LOADING
            assert len(seen) >= wanted
            assert all(each.held[1] == Held(one.id, HoldState.LOADED) for each in seen)
        if before.state is RolloutState.FLIPPING:
            assert one.state in (RolloutState.FLIPPING, RolloutState.COMPLETED)


def loading() -> Rollout:
    return replace(rollout(), state=RolloutState.LOADING, started_at=NOW)
