"""Explanations of really trained models, from the bundle to the answer over HTTP."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet

from contracts.bundle import DatasetRef, Importance, OptionalFile
from contracts.jobs import TrainingReport, TrainingSpec
from contracts.training import CodeSnapshot
from everloop import storage
from everloop.bundle.code import load_pipeline, snapshot
from everloop.bundle.model import Model
from ray_jobs import pipelines
from ray_jobs.pipelines.flight_delays.source import batches
from ray_jobs.train import train
from services.chassis.telemetry import Telemetry
from services.serving.desired import DesiredState, DesiredVersion
from services.serving.replica.answering import Answering
from services.serving.replica.following import ReplicaSettings, load
from services.serving.replica.http import Inference
from services.serving.replica.log_message import LogMessage
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.shelf import Shelf

FOLDER = Path(pipelines.__path__[0]) / "flight_delays"
MAX_EXPLAINED_ROWS = 16


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingReport, pa.Table]:
    """A model of a fifth of January's flights, and the flights."""
    home = tmp_path_factory.mktemp("flights")
    definition = load_pipeline(FOLDER).definition
    (path,) = batches(home, months=(1,), sample=0.2)
    rows = parquet.read_table(path).select([column.name for column in definition.dataset.columns])
    write_deltalake(str(home / "lake"), rows)
    code = snapshot(FOLDER)
    spec = TrainingSpec(
        run_id=UUID(int=1),
        definition=definition,
        dataset=DatasetRef(version=1, digest=storage.digest(b"rows"), table_uri=str(home / "lake"), delta_version=0),
        code=CodeSnapshot(uri=storage.write_once(str(home / "code"), code, suffix=".zip"), digest=storage.digest(code)),
        parameters=definition.trainer.parameters,
        seed=definition.seed,
        output_uri=str(home / "run"),
    )
    return train(spec), rows


def columns(rows: pa.Table, model: Model) -> dict[str, list[object]]:
    return {column.name: rows[column.name].to_pylist() for column in model.definition.dataset.features}


def test_flights_are_explained_exactly(flights: tuple[TrainingReport, pa.Table]) -> None:
    report, rows = flights
    model = Model.load(report.bundle_uri, report.bundle_digest)
    asked = columns(rows.slice(0, 300), model)

    found = model.explain(asked)

    import lightgbm

    booster = lightgbm.Booster(model_str=storage.read_bytes(f"{report.bundle_uri}/{OptionalFile.TREES}").decode())
    sums = found.base_value + found.values.sum(axis=1)
    np.testing.assert_allclose(sums, booster.predict(model.prepared(asked), raw_score=True), rtol=0, atol=1e-9)
    np.testing.assert_allclose(1 / (1 + np.exp(-sums)), model.predict(asked), rtol=0, atol=1e-5)


def test_the_card_tells_what_the_bundle_says_of_importance(flights: tuple[TrainingReport, pa.Table]) -> None:
    report, _ = flights
    card = storage.read_bytes(f"{report.bundle_uri}/card.md").decode()
    found = Importance.model_validate_json(storage.read_bytes(f"{report.bundle_uri}/{OptionalFile.IMPORTANCE}"))

    assert "exact Shapley values of the trees" in card
    table = card.split("## What it looks at")[1].split("\n## ")[0]
    named = [line.split("`")[1] for line in table.splitlines() if "`" in line]
    assert named == [one.name for one in found.features]
    assert f"| {found.features[0].mean_absolute:.4f} | {'█' * 20} |" in table


@asynccontextmanager
async def served(report: TrainingReport, code_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a version as a replica does, without Ray."""
    settings = ReplicaSettings.model_construct(code_dir=code_dir, max_rows=100, max_explained_rows=MAX_EXPLAINED_ROWS)
    shelf = Shelf(lambda one, difference: load(settings, one, difference))
    version = DesiredVersion(
        version=4, rollout_id=UUID(int=4), bundle_uri=report.bundle_uri, bundle_digest=report.bundle_digest
    )
    assert await shelf.follow(
        DesiredState(pipeline="flight_delays", versions=(version,), answering=4, max_golden_difference=1e-5)
    )
    log = PredictionLog(_nowhere, pipeline="flight_delays", replica="one", capacity_rows=1000, flush_s=60)
    answering = Answering("flight_delays", shelf, log, Telemetry("serving"), trace_ratio=0.0)
    app = Inference(answering, max_request_bytes=1_000_000).app()
    transport = httpx.ASGITransport(app, root_path="/v2/models/flight_delays")
    async with httpx.AsyncClient(transport=transport, base_url="http://serve/v2/models/flight_delays") as client:
        yield client


async def test_a_request_is_explained_over_http(flights: tuple[TrainingReport, pa.Table], tmp_path: Path) -> None:
    report, rows = flights
    model = Model.load(report.bundle_uri, report.bundle_digest)
    asked = columns(rows.slice(0, 3), model)
    specs = {spec.name: spec.datatype.value for spec in model.manifest.signature.inputs}
    inputs = [{"name": name, "datatype": specs[name], "shape": [3], "data": asked[name]} for name in specs]
    expected = model.explain(asked)

    async with served(report, tmp_path) as client:
        plain = (await client.post("/infer", json={"inputs": inputs})).json()
        explained = (await client.post("/infer?explain=true", json={"inputs": inputs})).json()
        by_bytes = await client.post(
            "/infer", json={"inputs": inputs, "parameters": {"explain": True, "binary_data_output": True}}
        )
        too_many = [{**one, "shape": [17], "data": [one["data"][0]] * 17} for one in inputs]
        refused = await client.post("/infer?explain=true", json={"inputs": too_many})

    assert [one["name"] for one in plain["outputs"]] == ["score", "prediction_id"]
    score, _, attributions = explained["outputs"]
    values = np.array(attributions["data"]).reshape(attributions["shape"])
    parameters = attributions["parameters"]
    np.testing.assert_array_equal(values, expected.values)
    assert parameters["features"].split(",") == list(expected.features)
    margin = parameters["base_value"] + values.sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-margin)), score["data"], atol=1e-5)
    assert by_bytes.content.endswith(struct.pack("<d", expected.values[-1, -1]))
    assert (refused.status_code, "16" in refused.json()["error"]) == (413, True)


async def _nowhere(message: LogMessage, message_id: str) -> None:
    """Take what is published."""
