"""Scores are looked up where they are the answering version's and fresh, and given live where they are not."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.pipeline import ColumnType
from everloop import storage
from everloop.lookup import KeyColumn, Lookup, LookupWriter, key_text
from services.chassis.telemetry import Telemetry
from services.serving.desired import DesiredLookup, Split
from services.serving.replica.answering import Answering
from services.serving.replica.http import Inference
from services.serving.replica.lookup import Precomputed, open_lookup
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.shelf import Shelf
from tests.fakes.serving.board import InMemoryBoard
from tests.fixtures.waiting import eventually
from tests.unit.serving.replica.test_prediction_log import Bus
from tests.unit.serving.replica.test_shelf import Loader, desired

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = {"distance": 1.5, "hour": None, "carrier": "UA", "weekend": True}


class Face:
    """One model with a lookup and what stands behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOON + timedelta(minutes=1)
        self.shelf = Shelf(Loader())
        self.log = PredictionLog(Bus(), pipeline="flights", replica="one", capacity_rows=1000, flush_s=0.01)
        self.precomputed = Precomputed("flights", max_keys=100, clock=lambda: self.now)
        answering = Answering("flights", self.shelf, self.log, Telemetry("serving"), trace_ratio=0.0)
        self.app = Inference(answering, max_request_bytes=10_000, look_up=self.precomputed.answer).app()

    async def answers(self, version: int) -> None:
        await self.shelf.follow(desired(version, answering=version))

    def write(self, version: int, scores: dict[str, float], *, number: int = 1, **changes: Any) -> DesiredLookup:
        """Write a lookup; gives what the board would say of it."""
        path = self.folder / f"{number}.sqlite"
        writer = LookupWriter(path)
        noon_us = int(NOON.timestamp()) * 10**6
        writer.add((key, score, noon_us, noon_us, row) for row, (key, score) in enumerate(scores.items()))
        writer.finish(
            precomputation_id=UUID(int=number),
            pipeline="flights",
            version=version,
            dataset_version=7,
            key=(KeyColumn(name="flight_id", type=ColumnType.STRING),),
            computed_at=NOON,
        )
        writer.close()
        wanted = DesiredLookup(
            precomputation_id=UUID(int=number), version=version, uri=str(path), digest=storage.digest_file(path)
        )
        return wanted.model_copy(update=changes)

    async def look_up(self, *keys: object, **members: Any) -> list[dict[str, Any]]:
        async with self.client() as client:
            answer = await client.post("/lookup", json={"keys": keys, **members})
        assert answer.status_code == 200, answer.text
        answers: list[dict[str, Any]] = answer.json()["answers"]
        return answers

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://serve/v1/models/flights") as client:
            yield client


@pytest.fixture
def face(tmp_path: Path) -> Face:
    return Face(tmp_path)


async def test_a_score_says_who_computed_it_when_and_of_which_data(face: Face) -> None:
    await face.answers(3)
    await face.precomputed.follow(face.write(3, {"UA1": 0.25, "UA2": 0.5}))

    assert await face.look_up("UA2") == [
        {
            "key": "UA2",
            "source": "precomputed",
            "score": 0.5,
            "version": 3,
            "prediction_id": f"{UUID(int=1).hex}-1",
            "computed_at": NOON.isoformat(),
            "age_s": 60.0,
            "dataset_version": 7,
            "event_time": NOON.isoformat(),
        }
    ]
    assert face.log.counts.waiting == 0


async def test_what_cannot_be_looked_up_is_answered_live_if_its_row_is_there(face: Face) -> None:
    await face.answers(3)
    await face.precomputed.follow(face.write(3, {"UA1": 0.25}))

    found, live, nothing = await face.look_up("UA1", "UA8", "UA9", rows=[ROW, ROW, None])

    assert (found["source"], found["score"]) == ("precomputed", 0.25)
    assert (live["source"], live["score"], live["version"], live["age_s"]) == ("live", 3001.5, 3, 0.0)
    assert nothing == {"key": "UA9", "source": None, "score": None, "reason": "unknown_key"}
    assert face.log.counts.waiting == 1


@pytest.mark.parametrize(("keys", "version"), [(("UA1", "UA8"), 3), (("UA8",), 4)])
async def test_an_answer_is_of_one_version_though_traffic_is_split(
    face: Face, keys: tuple[str, ...], version: int
) -> None:
    split = Split(rollout_id=UUID(int=7), step=0, candidate=4, share=1.0)
    await face.shelf.follow(desired(3, 4, answering=3, split=split))
    await face.precomputed.follow(face.write(3, {"UA1": 0.25}))

    answers = await face.look_up(*keys, rows=[ROW] * len(keys))

    assert {one["version"] for one in answers} == {version}
    # What did not fall to a version by chance is no evidence in the comparison.
    assert {one.version: one.requests for one in face.shelf.traffic} == {3: 0, 4: int(version == 4)}


async def test_a_stale_score_is_not_given(face: Face) -> None:
    await face.answers(3)
    await face.precomputed.follow(face.write(3, {"UA1": 0.25}, max_age_s=60.0))
    assert [one["source"] for one in await face.look_up("UA1")] == ["precomputed"]

    face.now += timedelta(seconds=1)

    stale, live = await face.look_up("UA1", "UA1", rows=[None, ROW])
    assert stale["reason"] == "stale"
    assert live["source"] == "live"


async def test_scores_of_a_version_that_no_longer_answers_are_not_given(face: Face) -> None:
    await face.answers(3)
    await face.precomputed.follow(face.write(3, {"UA1": 0.25}))
    await face.answers(4)

    nothing, live = await face.look_up("UA1", "UA1", rows=[None, ROW])
    await face.precomputed.follow(face.write(4, {"UA1": 0.75}, number=2))
    (found,) = await face.look_up("UA1")

    assert nothing["reason"] == "not_precomputed"
    assert (live["version"], live["score"]) == (4, 4001.5)
    assert (found["version"], found["score"]) == (4, 0.75)


async def test_the_former_lookup_stays_until_the_next_one_is_ready(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    opening, ready = threading.Event(), threading.Event()

    def slow(wanted: DesiredLookup) -> Lookup:
        if wanted.precomputation_id == UUID(int=2):
            opening.set()
            assert ready.wait(20)
        return open_lookup(wanted)

    monkeypatch.setattr(face.precomputed, "_open", slow)
    await face.answers(3)
    await face.precomputed.follow(face.write(3, {"UA1": 0.25}))
    next_one = asyncio.create_task(face.precomputed.follow(face.write(3, {"UA1": 0.75}, number=2)))
    await asyncio.to_thread(opening.wait, 20)

    meanwhile = await face.look_up("UA1")
    ready.set()
    await next_one

    assert [one["score"] for one in (*meanwhile, *await face.look_up("UA1"))] == [0.25, 0.75]


async def test_a_lookup_with_other_bytes_or_of_another_version_is_not_used(face: Face) -> None:
    await face.answers(3)
    await face.precomputed.follow(face.write(3, {"UA1": 0.25}))

    for wrong in (
        face.write(3, {"UA1": 0.75}, number=2, digest=f"sha256:{'0' * 64}"),
        face.write(4, {"UA1": 0.75}, number=3).model_copy(update={"version": 3}),
        face.write(3, {"UA1": 0.75}, number=4, uri="/nowhere/lookup.sqlite"),
    ):
        await face.precomputed.follow(wrong)

    assert [one["score"] for one in await face.look_up("UA1")] == [0.25]
    assert face.precomputed.id == UUID(int=1)


async def test_a_lookup_that_lies_elsewhere_is_fetched_and_leaves_nothing_behind(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    wanted = face.write(3, {f"UA{number}": number / 1000 for number in range(1000)})
    monkeypatch.setattr(storage, "local_path", lambda uri: None)

    lookup = open_lookup(wanted, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []
    assert {key: row.score for key in ("UA0", "UA999") if (row := lookup.get(str(key_text([key]))))} == {
        "UA0": 0.0,
        "UA999": 0.999,
    }


async def test_it_follows_the_board(face: Face) -> None:
    board = InMemoryBoard()
    await face.answers(3)
    wanted = face.write(3, {"UA1": 0.25})
    following = asyncio.create_task(face.precomputed.run(board))

    await board.post_desired(desired(3, answering=3).model_copy(update={"lookup": wanted}))
    await eventually(lambda: face.precomputed.id == UUID(int=1))
    await board.post_desired(desired(3, answering=3))
    await eventually(lambda: face.precomputed.id is None)

    following.cancel()
    assert [one["reason"] for one in await face.look_up("UA1")] == ["not_precomputed"]


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        ([], 400, "no object with a list of keys"),
        ({"keys": []}, 400, "no object with a list of keys"),
        ({"keys": "UA1"}, 400, "no object with a list of keys"),
        ({"keys": ["UA1"], "row": []}, 400, "unknown beside the keys: row"),
        (b'{"keys": ["UA1"], "keys": ["UA2"]}', 400, "'keys' is there twice"),
        ({"keys": ["UA1"], "rows": []}, 400, "rows is no list with an entry per key"),
        ({"keys": ["UA1"], "rows": [7]}, 400, "row 0 is neither an object nor null"),
        ({"keys": ["UA1", 7]}, 400, "key 1: key column flight_id is string: int found"),
        ({"keys": [["UA1", "UA2"]]}, 400, "a key is flight_id, not 2 values"),
        ({"keys": ["UA8"], "rows": [{"distance": "far"}]}, 400, "distance"),
        ({"keys": ["UA1"] * 101}, 413, "101 keys; at most 100"),
    ],
)
async def test_what_cannot_be_asked_is_refused(face: Face, content: object, status: int, why: str) -> None:
    await face.answers(3)
    await face.precomputed.follow(face.write(3, {"UA1": 0.25}))

    async with face.client() as client:
        answer = await client.post("/lookup", content=content if isinstance(content, bytes) else json.dumps(content))

    assert answer.status_code == status
    assert why in answer.json()["detail"]


async def test_a_model_without_a_version_answers_nothing_yet(face: Face) -> None:
    assert [one["reason"] for one in await face.look_up("UA1")] == ["not_precomputed"]

    async with face.client() as client:
        answer = await client.post("/lookup", json={"keys": ["UA1"], "rows": [ROW]})

    assert answer.status_code == 503
