"""A key stays with its version while the share grows, and the shares are what they say."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.serving.desired import Split
from services.serving.replica.split import falls_to_candidate, place

ROLLOUT = UUID(int=7)
SHARES = st.floats(0, 1)


@given(key=st.text(), share=SHARES, more=SHARES, chances=st.tuples(SHARES, SHARES))
def test_a_growing_share_keeps_the_keys_it_had(
    key: str, share: float, more: float, chances: tuple[float, float]
) -> None:
    before = falls_to_candidate(split(share), key, chances[0])
    after = falls_to_candidate(split(max(share, more)), key, chances[1])

    assert after or not before


@given(key=st.text(), chance=st.floats(0, 1, exclude_max=True))
def test_none_and_all_are_meant(key: str, chance: float) -> None:
    for routing_key in (key, None):
        assert not falls_to_candidate(split(0), routing_key, chance)
        assert falls_to_candidate(split(1), routing_key, chance)


def test_keys_are_spread_evenly_and_anew_in_every_rollout() -> None:
    keys = [f"customer-{number}" for number in range(10_000)]

    picked = {key for key in keys if place(ROLLOUT, key) < 0.1}
    picked_next = {key for key in keys if place(UUID(int=8), key) < 0.1}

    assert 900 < len(picked) < 1100
    assert 60 < len(picked & picked_next) < 140


def test_requests_without_a_key_are_each_for_themselves() -> None:
    assert falls_to_candidate(split(0.3), None, 0.29)
    assert not falls_to_candidate(split(0.3), None, 0.3)


def split(share: float, *, shadow: bool = False) -> Split:
    return Split(rollout_id=ROLLOUT, step=0, candidate=2, share=share, shadow=shadow)
