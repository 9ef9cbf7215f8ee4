"""A replica holds what is desired, verifies before it answers, and keeps answering meanwhile."""

import random
from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.serving.desired import DesiredState, DesiredVersion, Split
from services.serving.domain import HoldState
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.reading import Reader
from services.serving.replica.shelf import Shelf
from tests.unit.serving.replica.test_protocol import SIGNATURE

ROLLOUT = UUID(int=1)
MEMORY_BYTES = 1000


class Loader:
    """Loads what is not broken."""

    def __init__(self) -> None:
        self.broken: set[int] = set()
        self.asked: list[int] = []

    def __call__(self, desired: DesiredVersion, max_golden_difference: float) -> LoadedVersion:
        self.asked.append(desired.version)
        if desired.version in self.broken:
            raise OSError("the store is away")
        return loaded(desired.version)


async def test_version_is_loaded_before_it_answers() -> None:
    shelf = Shelf(Loader())

    assert await shelf.follow(desired(1))
    before = shelf.lineup
    assert await shelf.follow(desired(1, answering=1))

    assert before is None
    assert picks(shelf) == {1}


async def test_candidate_does_not_disturb_what_answers() -> None:
    loader = Loader()
    shelf = Shelf(loader)
    await shelf.follow(desired(1, answering=1))
    loader.broken.add(2)

    assert await shelf.follow(desired(1, 2, answering=1))

    assert shelf.answering is not None
    assert shelf.answering.version == 1
    assert {one.version: one.state for one in shelf.held} == {1: HoldState.LOADED, 2: HoldState.FAILED}
    assert shelf.held[1].detail == "OSError: the store is away"


async def test_new_replica_loads_what_answers_first() -> None:
    loader = Loader()

    await Shelf(loader).follow(desired(1, 2, 3, answering=2))

    assert loader.asked == [2, 1, 3]


async def test_version_that_should_answer_is_tried_until_it_loads() -> None:
    loader = Loader()
    loader.broken.add(1)
    shelf = Shelf(loader, retry_s=0)

    assert not await shelf.follow(desired(1, answering=1))
    loader.broken.clear()
    assert await shelf.follow(desired(1, answering=1))


async def test_version_that_should_answer_is_not_tried_in_a_tight_loop() -> None:
    loader = Loader()
    loader.broken.add(1)
    shelf = Shelf(loader, retry_s=60)

    for _ in range(3):
        assert not await shelf.follow(desired(1, answering=1))

    assert loader.asked == [1]
    assert shelf.held[0].state is HoldState.FAILED


async def test_failed_candidate_waits_for_a_new_rollout() -> None:
    loader = Loader()
    loader.broken.add(2)
    shelf = Shelf(loader)
    await shelf.follow(desired(2))
    await shelf.follow(desired(2))
    loader.broken.clear()

    await shelf.follow(desired(2, rollout_id=UUID(int=5)))

    assert loader.asked == [2, 2]
    assert shelf.held[0].state is HoldState.LOADED


async def test_version_nobody_wants_is_let_go() -> None:
    shelf = Shelf(Loader())
    await shelf.follow(desired(1, 2, answering=1))

    await shelf.follow(desired(1, answering=1))

    assert shelf.versions == (1,)
    assert shelf.version(2) is None


async def test_candidate_is_picked_for_its_share_once_it_is_loaded() -> None:
    loader = Loader()
    shelf = Shelf(loader)
    loader.broken.add(2)
    canary = Split(rollout_id=ROLLOUT, step=0, candidate=2, share=1.0)

    await shelf.follow(desired(1, 2, answering=1, split=canary))
    assert picks(shelf) == {1}
    loader.broken.clear()
    await shelf.follow(desired(1, 2, answering=1, split=canary, rollout_id=UUID(int=5)))
    assert picks(shelf) == {2}
    await shelf.follow(desired(1, 2, answering=1))

    assert picks(shelf) == {1}
    assert shelf.traffic == ()


async def test_shadow_never_answers() -> None:
    shelf = Shelf(Loader())
    shadow = Split(rollout_id=ROLLOUT, step=0, candidate=2, share=1.0, shadow=True)

    await shelf.follow(desired(1, 2, answering=1, split=shadow))

    assert picks(shelf) == {1}
    assert shelf.lineup is not None
    copied = shelf.lineup.choose("key", 0.0)
    assert copied.shadow is not None
    assert copied.shadow.version == 2


async def test_flip_and_split_change_in_one_assignment() -> None:
    shelf = Shelf(Loader())
    await shelf.follow(desired(1, 2, answering=1, split=Split(rollout_id=ROLLOUT, step=0, candidate=2, share=0.5)))
    before = shelf.lineup

    await shelf.follow(desired(1, 2, answering=2))

    assert before is not None
    assert (before.answering.version, before.picked and before.picked.version) == (1, 2)
    assert picks(shelf) == {2}


async def test_earlier_versions_are_kept_while_they_fit() -> None:
    shelf = Shelf(Loader(), budget_bytes=3 * MEMORY_BYTES)

    assert await follow(shelf, desired(5, answering=5, keep=(4, 3, 2)))

    assert shelf.versions == (3, 4, 5)
    assert [one.version for one in shelf.held] == [5]


async def test_least_recently_asked_version_makes_room_and_is_not_loaded_again() -> None:
    loader = Loader()
    shelf = Shelf(loader, budget_bytes=3 * MEMORY_BYTES)
    await follow(shelf, desired(5, answering=5, keep=(4, 3)))
    shelf.version(4)
    shelf.version(3)
    shelf.version(4)

    await follow(shelf, desired(5, 6, answering=5, keep=(4, 3)))
    await follow(shelf, desired(5, 6, answering=6, keep=(4, 3)))

    assert shelf.versions == (4, 5, 6)
    assert loader.asked == [5, 4, 3, 6]


async def test_desired_versions_stay_whatever_they_take() -> None:
    shelf = Shelf(Loader(), budget_bytes=1)

    assert await follow(shelf, desired(1, 2, answering=1, keep=(3,)))

    assert shelf.versions == (1, 2)


async def test_earlier_version_that_does_not_load_disturbs_nobody() -> None:
    loader = Loader()
    loader.broken.add(3)
    shelf = Shelf(loader)

    assert await follow(shelf, desired(5, answering=5, keep=(3,)))
    assert await follow(shelf, desired(5, answering=5, keep=(3,)))

    assert shelf.versions == (5,)
    assert loader.asked == [5, 3]


async def test_replica_that_lacks_what_should_answer_says_so_until_it_has_it() -> None:
    loader = Loader()
    shelf = Shelf(loader, retry_s=0)
    await shelf.follow(desired(1, answering=1))
    loader.broken.add(2)

    assert not await shelf.follow(desired(2, answering=2))
    assert shelf.unfit_s() > 0
    assert (shelf.held[0].version, shelf.held[0].state) == (2, HoldState.FAILED)
    assert picks(shelf) == {1}
    loader.broken.clear()
    await shelf.follow(desired(2, answering=2))

    assert shelf.unfit_s() == 0
    assert shelf.versions == (2,)


@given(steps=st.lists(st.tuples(st.sets(st.integers(1, 5), min_size=1), st.randoms(use_true_random=False)), max_size=6))
async def test_what_answers_is_always_held_and_what_is_desired_gets_held(
    steps: list[tuple[set[int], random.Random]],
) -> None:
    shelf = Shelf(Loader(), budget_bytes=3 * MEMORY_BYTES)
    for versions, chance in steps:
        answering, candidate = chance.choice(sorted(versions)), chance.choice(sorted(versions))
        keep = tuple({1, 2, 3, 4, 5} - versions)
        split = Split(rollout_id=ROLLOUT, step=0, candidate=candidate, share=0.5, shadow=chance.random() < 0.5)

        assert await follow(shelf, desired(*versions, answering=answering, keep=keep, split=split))

        assert picks(shelf) <= {answering, candidate}
        assert picks(shelf) <= versions <= set(shelf.versions)
        assert len(shelf.versions) <= max(3, len(versions))


async def follow(shelf: Shelf, state: DesiredState) -> bool:
    """Do all there is to do, as a replica does."""
    done = await shelf.follow(state)
    while await shelf.keep_one(state):
        pass
    return done


def picks(shelf: Shelf) -> set[int]:
    """Versions that answer some request."""
    assert shelf.lineup is not None
    return {shelf.lineup.choose(None, chance).version for chance in (0.0, 0.25, 0.75)}


def desired(
    *versions: int,
    answering: int | None = None,
    rollout_id: UUID = ROLLOUT,
    split: Split | None = None,
    keep: tuple[int, ...] = (),
) -> DesiredState:
    return DesiredState(
        pipeline="flights",
        versions=tuple(wanted(one, rollout_id) for one in versions),
        answering=answering,
        split=split,
        keep=tuple(wanted(one, rollout_id) for one in keep),
    )


def wanted(version: int, rollout_id: UUID) -> DesiredVersion:
    # Digests tell versions apart.
    digest = f"sha256:{version:064x}"
    return DesiredVersion(version=version, rollout_id=rollout_id, bundle_uri=f"/store/{version}", bundle_digest=digest)


def loaded(version: int) -> LoadedVersion:
    def predict(columns: Any) -> Any:
        return np.asarray(columns["distance"], dtype=np.float64) + version * 1000

    reader = Reader(SIGNATURE, event_time="scheduled_at", max_rows=100)
    return LoadedVersion(version, SIGNATURE, reader, predict, f"sha256:{version:064x}", memory_bytes=MEMORY_BYTES)
