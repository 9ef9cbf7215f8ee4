"""A replica holds what is desired, verifies before it answers, and keeps answering meanwhile."""

from typing import Any
from uuid import UUID

import numpy as np

from services.serving.desired import DesiredState, DesiredVersion
from services.serving.domain import HoldState
from services.serving.replica.reading import Reader
from services.serving.replica.shelf import LoadedVersion, Shelf
from tests.fakes.serving.examples import DIGEST
from tests.unit.serving.replica.test_protocol import SIGNATURE

ROLLOUT = UUID(int=1)


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
    assert shelf.answering is None
    assert await shelf.follow(desired(1, answering=1))
    assert shelf.answering is not None
    assert shelf.answering.version == 1


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
    shelf = Shelf(loader)

    assert not await shelf.follow(desired(1, answering=1))
    loader.broken.clear()
    assert await shelf.follow(desired(1, answering=1))


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


def desired(*versions: int, answering: int | None = None, rollout_id: UUID = ROLLOUT) -> DesiredState:
    return DesiredState(
        pipeline="flights",
        versions=tuple(
            DesiredVersion(version=one, rollout_id=rollout_id, bundle_uri=f"/store/{one}", bundle_digest=DIGEST)
            for one in versions
        ),
        answering=answering,
    )


def loaded(version: int) -> LoadedVersion:
    def predict(columns: Any) -> Any:
        return np.asarray(columns["distance"], dtype=np.float64) + version * 1000

    reader = Reader(SIGNATURE, event_time="scheduled_at", max_rows=100)
    return LoadedVersion(version, SIGNATURE, reader, predict, DIGEST)
