"""What answers in a replica, whose models do as they are told."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from contracts.bundle import DataType, TensorSpec
from services.chassis.telemetry import Telemetry
from services.serving.desired import DesiredVersion, Split, VersionTraffic
from services.serving.replica.answering import Answering
from services.serving.replica.batching import Limits
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.question import Answer, Question
from services.serving.replica.reading import Reader
from services.serving.replica.shelf import Shelf
from tests.unit.serving.replica.test_prediction_log import Bus
from tests.unit.serving.replica.test_shelf import desired, loaded

CHAMPION, CANDIDATE = 1, 2
EDGES = (1500.0,)
ROW = {"distance": 1.5, "hour": None, "carrier": "UA", "weekend": True}
Does = Callable[[Any], Any]


class Replica:
    """The core of a replica, whose models do as they are told."""

    def __init__(self, **limits: Any) -> None:
        self.does: dict[int, Does] = {}
        self.refuses: set[int] = set()
        """Versions that want a column nobody sends."""
        self.shelf = Shelf(self._load)
        self.bus = Bus()
        self.log = PredictionLog(self.bus, pipeline="flights", replica="one", capacity_rows=10**6, flush_s=0.01)
        self.answering = Answering(
            "flights",
            self.shelf,
            self.log,
            Telemetry("serving"),
            trace_ratio=0.0,
            limits=Limits(**limits),
            max_waiting_rows=50,
        )

    def _load(self, one: DesiredVersion, max_golden_difference: float) -> LoadedVersion:
        fine = loaded(one.version)

        def predict(columns: Any) -> Any:
            return self.does.get(one.version, fine.predict)(columns)

        more = (TensorSpec(name="more", datatype=DataType.INT64),) if one.version in self.refuses else ()
        signature = fine.signature.model_copy(update={"inputs": (*fine.signature.inputs, *more)})
        reader = Reader(signature, event_time=None, max_rows=100)
        return LoadedVersion(one.version, signature, reader, predict, one.bundle_digest)

    async def splits(self, share: float, *, shadow: bool = False, step: int = 0) -> None:
        split = Split(
            rollout_id=UUID(int=7), step=step, candidate=CANDIDATE, share=share, shadow=shadow, score_edges=EDGES
        )
        await self.shelf.follow(desired(CHAMPION, CANDIDATE, answering=CHAMPION, split=split))

    async def ask(self, *distances: float, key: str | None = None, version: str | None = None) -> Answer:
        chosen = self.answering.choose(version, routing_key=key)
        return await self.answering.answer(chosen, Question(len(distances), {"distance": list(distances)}))

    def counted(self, version: int) -> VersionTraffic:
        return next(one for one in self.shelf.traffic if one.version == version)


@pytest.fixture
def replica() -> Replica:
    return Replica()


async def keys_of(replica: Replica) -> dict[int, str]:
    """Find a routing key per version."""
    return {replica.answering.choose(routing_key=key).version: key for key in map(str, range(100))}


def raises(error: Exception) -> Does:
    def predict(columns: Any) -> Any:
        raise error

    return predict


class hanging:  # reads as a verb
    """A model that does not return before the block ends."""

    def __init__(self, *, from_rows: int = 1) -> None:
        self._over = threading.Event()
        self._from_rows = from_rows

    def __enter__(self) -> Does:
        return self._predict

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _predict(self, columns: Any) -> Any:
        rows = len(columns["distance"])
        if rows >= self._from_rows:
            self._over.wait()
        return np.zeros(rows)
