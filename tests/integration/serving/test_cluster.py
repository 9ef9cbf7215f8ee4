"""gRPC, several replicas and none at all, on a real Ray behind its HAProxy."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton

from contracts.rollout import Rollout, Scaling
from services.chassis.bus import NotOnBusError
from services.chassis.delivery import Arrival
from services.serving import ray_serve
from tests.fixtures.bundles import DEFINITION, STEP
from tests.fixtures.waiting import eventually
from tests.integration.serving.stage import LOOK_EVERY_S, MODEL, ServingWorld, Stage, request, version_of

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def quick_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Serve make up its mind in two seconds instead of five."""
    monkeypatch.setattr(ray_serve, "LOOK_BACK_S", 2.0)
    monkeypatch.setattr(ray_serve, "UPSCALE_DELAY_S", 2.0)


async def test_tritons_client_is_answered_by_the_model_it_names(stage: Stage) -> None:
    async with stage.serving() as world:
        version = await world.deployed()
        await eventually(lambda: healthy(stage), every_s=LOOK_EVERY_S)
        # Its client blocks; nothing here needs the event loop meanwhile.
        with client(stage) as ask:
            assert ask.is_server_live()
            assert ask.is_server_ready()
            assert ask.is_model_ready(MODEL)
            assert ask.is_model_ready(MODEL, str(version))
            assert not ask.is_model_ready(MODEL, "999")
            assert ask.get_server_metadata().name == "everloop"
            assert [one.name for one in ask.get_model_metadata(MODEL).inputs] == ["x", "stops", "carrier"]

            answer = ask.infer(MODEL, inputs([1.0, 2.0]), request_id="mine")
            large = ask.infer(MODEL, inputs([float(x) for x in range(9000)]))
            packed = ask.infer(MODEL, inputs([1.0]), compression_algorithm="gzip")
            chosen = ask.infer(MODEL, inputs([1.0]), outputs=[triton.InferRequestedOutput("score")])

    assert answer.as_numpy("score").tolist() == [version * STEP + 1, version * STEP + 2]
    told = answer.get_response()
    assert (told.id, told.model_name, told.model_version) == ("mine", MODEL, str(version))
    assert len(set(answer.as_numpy("prediction_id"))) == 2
    assert large.as_numpy("score")[-1] == version * STEP + 8999
    assert packed.as_numpy("score").tolist() == [version * STEP + 1]
    assert [one.name for one in chosen.get_response().outputs] == ["score"]


async def test_refusals_over_grpc_are_those_over_http(stage: Stage) -> None:
    async with stage.serving() as world:
        await world.deployed()
        with client(stage) as ask:
            unknown = refused(lambda: ask.infer("nobody", inputs([1.0])))
            unheld = refused(lambda: ask.infer(MODEL, inputs([1.0]), model_version="999"))
            single = refused(lambda: ask.infer(MODEL, [tensor("x", "FP32", np.zeros(1, np.float32))]))
            too_many = refused(lambda: ask.infer(MODEL, inputs([1.0] * 10_001)))
            too_large = refused(lambda: ask.infer(MODEL, inputs([1.0] * 1_000_000)))
        unheld_over_http = await get(stage, f"/v2/models/{MODEL}/versions/999")
        too_many_over_http = await world.infer([1.0] * 10_001)

    assert unknown == ("StatusCode.NOT_FOUND", "no model 'nobody' is served here")
    assert unheld == ("StatusCode.NOT_FOUND", unheld_over_http.json()["error"])
    assert single == ("StatusCode.INVALID_ARGUMENT", "input 'x' is FP64, not 'FP32'; tensors are never cast")
    assert too_many == ("StatusCode.RESOURCE_EXHAUSTED", too_many_over_http.json()["error"])
    assert too_large[0] == "StatusCode.RESOURCE_EXHAUSTED"
    assert "larger than max" in too_large[1], "not read at all"


async def test_killed_replica_costs_no_answer_while_another_lives(stage: Stage) -> None:
    async with stage.serving() as world:
        await world.register(Rollout(replicas=2, timeout_s=60))
        await world.deployed()
        await eventually(lambda: in_rotation(stage) == 2, within_s=60)
        with load(stage.url) as answers:
            await eventually(lambda: len(answers) > 100)
            psutil.Process((await deployment(stage))["replicas"][0]["pid"]).kill()
            answered = len(answers)
            await eventually(lambda: len(answers) > answered + 300, within_s=60)
        await eventually(lambda: in_rotation(stage) == 2, within_s=60)

    assert [one for one in answers if one != 200] == []


async def test_model_nobody_asks_costs_nothing_and_wakes_when_asked(stage: Stage, quick_scaling: None) -> None:
    scaling = Scaling(min_replicas=0, max_replicas=2, idle=timedelta(seconds=1))
    async with stage.serving() as world:
        await world.register(Rollout(timeout_s=60, scaling=scaling))
        await eventually(lambda: sleeps(stage), within_s=90, every_s=LOOK_EVERY_S)

        # Nobody asks, and yet the version is verified by a replica before it is said to be complete.
        version = await world.deployed()
        await eventually(lambda: sleeps(stage), within_s=90, every_s=LOOK_EVERY_S)
        asleep = await get(stage, "/v2/health/ready")
        woken = await world.infer([1.0])

        await eventually(lambda: sleeps(stage), within_s=90, every_s=LOOK_EVERY_S)
        with client(stage) as ask:
            woken_over_grpc = ask.infer(MODEL, inputs([1.0]))

        await eventually(lambda: sleeps(stage), within_s=90, every_s=LOOK_EVERY_S)
        woken_over_nats = await eventually(lambda: asked_over_nats(world), within_s=90)
        await world.register(DEFINITION.rollout)

    assert asleep.json() == {"ready": True}
    assert version_of(woken.json()) == version
    assert woken_over_grpc.as_numpy("score").tolist() == [version * STEP + 1]
    assert version_of(json.loads(woken_over_nats.body)) == version


async def test_model_that_is_asked_more_gets_more_replicas(stage: Stage, quick_scaling: None) -> None:
    scaling = Scaling(max_replicas=2, target_ongoing_requests=1, idle=timedelta(seconds=3))
    async with stage.serving() as world:
        await world.register(Rollout(timeout_s=60, scaling=scaling))
        await world.deployed()
        await eventually(lambda: in_rotation(stage) == 1, within_s=60)
        with load(stage.url) as answers:
            await eventually(lambda: in_rotation(stage) == 2, within_s=90)
        await eventually(lambda: in_rotation(stage) == 1, within_s=90)
        await world.register(DEFINITION.rollout)

    assert set(answers) == {200}


def inputs(xs: Sequence[float]) -> list[Any]:
    """Write the tensors of the tiny model as Triton's client does."""
    rows = len(xs)
    return [
        tensor("x", "FP64", np.array(xs)),
        tensor("stops", "INT64", np.zeros(rows, np.int64)),
        tensor("carrier", "BYTES", np.array(["UA"] * rows, np.object_)),
    ]


def tensor(name: str, datatype: str, values: Any) -> Any:
    """Write one tensor."""
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def client(stage: Stage) -> Any:
    """Make Triton's client."""
    return triton.InferenceServerClient(f"127.0.0.1:{stage.ray_head.grpc_port}")


def refused(ask: Callable[[], Any]) -> tuple[str, str]:
    """Give status and text of a refusal."""
    with pytest.raises(triton.InferenceServerException) as error:
        ask()
    return error.value.status(), error.value.message()


def healthy(stage: Stage) -> bool:
    """Tell whether the server says that all models answer."""
    try:
        with client(stage) as ask:
            return bool(ask.is_server_ready())
    except triton.InferenceServerException:
        return False


async def get(stage: Stage, path: str) -> httpx.Response:
    """Ask the front."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        return await http.get(f"http://127.0.0.1:{stage.ray_head.serve_port}{path}")


async def asked_over_nats(world: ServingWorld) -> Arrival | None:
    """Ask the model over core NATS; None while nobody hears there."""
    asked = json.dumps(request([1.0])).encode()
    try:
        return await world.world.bus.request(f"inference.{MODEL}", asked, headers={}, timeout_s=60)
    except NotOnBusError:
        return None


async def deployment(stage: Stage) -> dict[str, Any]:
    """Ask Ray how the model is; empty while it is changed."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        applications = (await http.get(f"{stage.ray_head.url}/api/serve/applications/")).json()["applications"]
    found: dict[str, Any] = applications[f"model-{MODEL}"]["deployments"].get("replica", {})
    return found


async def sleeps(stage: Stage) -> bool:
    """Tell whether the model has no replica, neither starting nor leaving."""
    return (await deployment(stage)).get("replicas") == []


def in_rotation(stage: Stage) -> int:
    """Count the replicas that HAProxy was told of."""
    (file,) = (stage.ray_head.home / "run" / "ha").glob("*/haproxy.cfg")
    _, _, backend = file.read_text().partition(f"\nbackend http-model-{MODEL}\n")
    return backend.partition("\nbackend ")[0].count(f"    server SERVE_REPLICA_model-{MODEL}-")


@contextmanager
def load(url: str) -> Iterator[list[int]]:
    """Ask from four threads as fast as answers come; gives their statuses, 0 for none."""
    answers: list[int] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30, trust_env=False) as http:
            while not done.is_set():
                try:
                    answers.append(http.post(f"{url}/infer", json=request([1.0])).status_code)
                except httpx.HTTPError:
                    answers.append(0)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()
