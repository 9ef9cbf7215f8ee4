"""One version, asked in every way there is: a thousand rows, identical answers."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import nats
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from contracts.precompute import PrecomputationCompleted
from everloop import load_model
from everloop.bundle.code import load_pipeline
from everloop.bundle.model import Model
from everloop.check import read_sample
from everloop.client import Platform
from tests.fixtures.flights import FOLDER
from tests.fixtures.patterns import PATTERNS
from tests.fixtures.platform import RunningPlatform, first_champion, platform, ready
from tests.fixtures.waiting import eventually

__all__ = ["platform"]
pytestmark = [pytest.mark.ray, pytest.mark.slow]
MODEL = "flights"
COUNT = 1000
WITHIN_S = 120
NUMPY = {"INT64": np.int64, "FP64": np.float64}

Row = dict[str, Any]
Ask = Callable[[Platform, Sequence[Row]], Awaitable[Sequence[float]]]


def pipeline_folder(directory: Path) -> Path:
    """Write the shipped flight pipeline once more, with rows that stream in and scores that are ready."""
    text = (FOLDER / "pipeline.py").read_text()
    for old, new in (
        ('name="flight_delays",', f'name="{MODEL}",'),
        ("    Pipeline,\n", "    Pipeline,\n    Precompute,\n    Streaming,\n"),
        ('slices=("origin", "carrier"),', 'slices=("origin",), precompute=Precompute(), streaming=Streaming(),'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    directory.mkdir()
    (directory / "pipeline.py").write_text(text)
    return directory


async def test_a_thousand_rows_are_answered_the_same_in_every_way(platform: RunningPlatform, tmp_path: Path) -> None:
    sample = FOLDER / "sample.parquet"
    folder = pipeline_folder(tmp_path / MODEL)
    table = read_sample(sample, load_pipeline(folder))
    # NVIDIA's client can say NaN for a missing number, and nothing for a missing integer.
    table = table.filter(pc.is_valid(table["wind_direction_degrees"])).slice(0, COUNT)
    await ready(platform)
    platform.everloop("pipeline", "register", str(folder))
    async with platform.client() as client:
        since = await client.bus.mark()
        rollout = await first_champion(client, MODEL, sample)
        await client.wait_for(PrecomputationCompleted, pipeline=MODEL, since=since, within_s=WITHIN_S)
        expected = Model.load(rollout.bundle_uri, rollout.bundle_digest).predict_table(table)

        asked = table.select([column.name for column in load_pipeline(folder).definition.dataset.features])
        rows: list[Row] = asked.to_pylist()
        keys = table["flight_id"].to_pylist()
        answered = {name: await ask(client, rows) for name, ask in WAYS.items()}
        answered["precomputed"] = await looked_up(client, keys)

    answered["load_model"] = named(platform, tmp_path, asked)
    for name, leave in PATTERNS.items():
        (tmp_path / name).mkdir()
        answered[name] = list(leave(rollout.bundle_uri, rollout.bundle_digest, asked, tmp_path / name))
    assert {name: len(scores) for name, scores in answered.items()} == dict.fromkeys(answered, COUNT)
    different = {name for name, scores in answered.items() if not np.array_equal(scores, expected)}
    assert not different
    assert len(set(expected.tolist())) > COUNT / 2


async def over_http(client: Platform, rows: Sequence[Row]) -> Sequence[float]:
    return (await client.predict(MODEL, rows)).scores


async def as_objects(client: Platform, rows: Sequence[Row]) -> Sequence[float]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        answer = await http.post(f"{client.endpoints.serve}/v1/models/{MODEL}/predict", json={"rows": list(rows)})
    return [prediction["score"] for prediction in answer.raise_for_status().json()["predictions"]]


async def by_triton_http(client: Platform, rows: Sequence[Row]) -> Sequence[float]:
    return scores_of(triton_http, client.endpoints.serve.removeprefix("http://"), rows)


async def by_triton_grpc(client: Platform, rows: Sequence[Row]) -> Sequence[float]:
    return scores_of(triton_grpc, client.endpoints.grpc, rows)


def scores_of(library: Any, address: str, rows: Sequence[Row]) -> Sequence[float]:
    """Ask by one of NVIDIA's clients."""
    asked = []
    with library.InferenceServerClient(address) as server:
        datatypes = {one["name"]: one["datatype"] for one in described(server, library)}
        for name, datatype in datatypes.items():
            values = np.array([row[name] for row in rows], dtype=NUMPY.get(datatype, np.object_))
            tensor = library.InferInput(name, [len(rows)], datatype)
            tensor.set_data_from_numpy(values)
            asked.append(tensor)
        return list(server.infer(MODEL, asked).as_numpy("score").tolist())


def described(server: Any, library: Any) -> list[dict[str, str]]:
    if library is triton_grpc:
        return [{"name": one.name, "datatype": one.datatype} for one in server.get_model_metadata(MODEL).inputs]
    return list(server.get_model_metadata(MODEL)["inputs"])


async def over_nats(client: Platform, rows: Sequence[Row]) -> Sequence[float]:
    return (await client.predict(MODEL, rows, over="nats")).scores


async def queued(client: Platform, rows: Sequence[Row]) -> Sequence[float]:
    return (await client.inference(await client.request_inference(MODEL, rows), within_s=WITHIN_S)).scores


async def streamed(client: Platform, rows: Sequence[Row]) -> Sequence[float]:
    """Send row by row, each under a key of its own, and read the answers by key."""
    bus = await nats.connect(client.endpoints.nats)
    stream = bus.jetstream()
    for place, row in enumerate(rows):
        body = json.dumps(row).encode()
        await stream.publish(f"rows.{MODEL}.{place}", body, headers={"Nats-Msg-Id": str(uuid4())})
    answers: dict[int, float] = {}
    told = await stream.subscribe(f"scores.{MODEL}.*", ordered_consumer=True)
    while len(answers) < len(rows):
        message = await told.next_msg(timeout=WITHIN_S)
        (prediction,) = json.loads(message.data)["predictions"]
        answers[int(message.subject.rsplit(".", 1)[1])] = prediction["score"]
    await bus.close()
    return [answers[place] for place in range(len(rows))]


WAYS: Mapping[str, Ask] = {
    "HTTP": over_http,
    "rows as objects": as_objects,
    "tritonclient HTTP": by_triton_http,
    "tritonclient gRPC": by_triton_grpc,
    "NATS": over_nats,
    "queued": queued,
    "streamed": streamed,
}


async def looked_up(client: Platform, keys: Sequence[str]) -> Sequence[float]:
    async def ask() -> list[dict[str, Any]]:
        answer = await client.look_up(MODEL, {"keys": list(keys)})
        return list(answer["answers"])

    async def ready_made() -> list[dict[str, Any]] | None:
        found = await ask()
        return found if all(one["source"] == "precomputed" for one in found) else None

    return [one["score"] for one in await eventually(ready_made, within_s=WITHIN_S, every_s=0.2) or []]


def named(platform: RunningPlatform, directory: Path, rows: pa.Table) -> Sequence[float]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EVERLOOP_HOME", str(platform.home.root))
        patched.setenv("EVERLOOP_CACHE", str(directory / "cache"))
        with load_model(f"{MODEL}@champion") as model:
            return list(model.predict(rows).tolist())
