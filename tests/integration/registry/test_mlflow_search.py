"""MLflow's own client finds in the registry what it logged, unchanged."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, ViewType
from mlflow.exceptions import MlflowException

from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.fixtures.services import World

Session = Callable[[Callable[[MlflowClient], None]], Any]


@pytest.fixture
async def session(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    """Runs what a data scientist would, in a thread of its own, against a registry."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    async with world.running(build(world.settings(RegistrySettings))) as live:

        async def run(talk: Callable[[MlflowClient], None]) -> None:
            await asyncio.to_thread(talk, MlflowClient(tracking_uri=live.url))

        yield run


def refused(sentence: str) -> Any:
    """Expect the server to refuse a value, saying why."""
    return pytest.raises(MlflowException, match=f"INVALID_PARAMETER_VALUE: .*{sentence}")


async def test_runs_and_experiments_are_found(session: Session) -> None:
    def talk(client: MlflowClient) -> None:
        here, there = (client.create_experiment(name, tags={"team": name}) for name in ("here", "there"))
        runs = {name: _run(client, here, name, depth, loss) for depth, (name, loss) in enumerate(LOSSES.items())}
        _run(client, there, "elsewhere", 0, 0.0)
        client.delete_run(runs["gone"])
        dataset = Dataset("flights", "d1", "local", "{}")
        client.log_inputs(runs["best"], [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

        def found(filter_: str = "", order: tuple[str, ...] = (), view: str = ViewType.ACTIVE_ONLY) -> list[str]:
            pages, token = [], None
            while True:
                page = client.search_runs([here], filter_, view, 2, list(order), token)
                pages += [run.info.run_name for run in page]
                token = page.token
                if not token:
                    return pages

        assert found() == ["none", "nan", "worst", "best"]
        assert found(order=("metrics.loss ASC",)) == ["best", "worst", "nan", "none"]
        assert found(order=("metrics.`loss` DESC",)) == ["worst", "best", "nan", "none"]
        assert found("metrics.loss < 5 and params.depth LIKE '_'", ("metrics.loss DESC",)) == ["best"]
        assert found("metrics.loss != 0.5") == ["nan", "worst"]
        assert found('tags.`a b` = "it\'s best"') == ["best"]
        assert found("tags.`a b` IS NULL AND status = 'FINISHED'", ("run_name",)) == []
        assert found("attributes.run_name ILIKE 'B%'") == ["best"]
        assert found(f"run_id IN ('{runs['worst']}', '{runs['gone']}')", view=ViewType.ALL) == ["gone", "worst"]
        assert found("dataset.name = 'flights' AND datasets.context = 'training'") == ["best"]
        assert found(view=ViewType.DELETED_ONLY) == ["gone"]
        [best] = client.search_runs([here, there], "run_name = 'best'")
        assert (best.data.metrics, best.data.params["depth"]) == ({"loss": 0.5}, "0")
        assert best.inputs.dataset_inputs[0].dataset.digest == "d1"
        for wrong in ("metrics.loss > 'x'", "colour = 'red'", "run_name = 'a' OR run_name = 'b'", "tags.x"):
            with refused(""):
                client.search_runs([here], wrong)
        with refused("It must be at most 50000"):
            client.search_runs([here], max_results=50_001)
        with refused("It must be a positive integer"):
            client.search_runs([here], max_results=0)
        with refused("Invalid page token"):
            client.search_runs([here], page_token="b2Zmc2V0")
        with refused("Experiment ID must be a valid integer"):
            client.search_runs(["here"])

        client.delete_experiment(there)
        assert [one.name for one in client.search_experiments()] == ["here", "Default"]
        assert [one.tags for one in client.search_experiments(filter_string="tags.team = 'here'")] == [{"team": "here"}]
        assert [one.name for one in client.search_experiments(ViewType.ALL, order_by=["name"])] == [
            "Default",
            "here",
            "there",
        ]
        first = client.search_experiments(ViewType.ALL, max_results=2)
        assert [one.name for one in client.search_experiments(ViewType.ALL, 2, page_token=first.token)] == ["Default"]

    await session(talk)


LOSSES = {"best": 0.5, "worst": 7.5, "nan": float("nan"), "none": None, "gone": 1.0}


def _run(client: MlflowClient, experiment_id: str, name: str, depth: int, loss: float | None) -> str:
    tags = {"a b": "it's best"} if name == "best" else {}
    run_id: str = client.create_run(experiment_id, start_time=1000 + depth, tags=tags, run_name=name).info.run_id
    client.log_param(run_id, "depth", depth)
    if loss is not None:
        client.log_batch(run_id, metrics=[Metric("loss", loss, 1, 0)])
    return run_id
