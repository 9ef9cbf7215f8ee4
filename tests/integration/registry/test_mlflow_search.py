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


async def test_registered_models_versions_and_logged_models_are_found(session: Session) -> None:
    def talk(client: MlflowClient) -> None:
        for name, tags in (("delays", {"team": "air"}), ("ships", {}), ("greeting", {})):
            client.create_registered_model(name, tags=tags)
        client.set_registered_model_tag("greeting", "mlflow.prompt.is_prompt", "true")
        run_id = client.create_run("0").info.run_id
        for number in range(1, 4):
            source = f"mlflow-artifacts:/0/{run_id}/artifacts/{number}"
            client.create_model_version("delays", source, run_id, tags={"parity": str(number % 2)})

        def models(filter_: str | None = None, order: tuple[str, ...] = ()) -> list[str]:
            return [model.name for model in client.search_registered_models(filter_, order_by=list(order))]

        def versions(filter_: str | None = None, order: tuple[str, ...] = ()) -> list[str]:
            return [version.version for version in client.search_model_versions(filter_, 100, list(order))]

        assert models() == ["delays", "ships"]
        assert models(order=("name DESC",)) == ["ships", "delays"]
        assert models("name LIKE 'd%' AND tags.team = 'air'") == ["delays"]
        assert models("tag.`mlflow.prompt.is_prompt` = 'true'") == ["greeting"]
        [delays] = client.search_registered_models("name = 'delays'")
        assert (delays.tags, delays.latest_versions[0].version) == ({"team": "air"}, "3")
        first = client.search_registered_models(max_results=1)
        assert [model.name for model in client.search_registered_models(page_token=first.token)] == ["ships"]
        assert sorted(versions("name = 'delays'")) == ["1", "2", "3"]
        assert versions(f"run_id = '{run_id}' AND tags.parity = '1'", ("version_number ASC",)) == ["1", "3"]
        assert versions("source_path LIKE '%/2'") == ["2"]
        with refused("Invalid attribute key 'colour'"):
            models("colour = 'red'")
        with refused("Invalid ordering key"):
            versions("name = 'delays'", ("version_number sideways",))

        good, bad = (client.create_logged_model("0", name, params={"depth": name}).model_id for name in ("good", "bad"))
        for model_id, value in ((good, 0.9), (bad, 0.1)):
            client.log_metric(run_id, "auc", value, model_id=model_id, dataset_name="test", dataset_digest="1")
        by_auc = [{"field_name": "metrics.auc", "ascending": False, "dataset_name": "test"}]
        assert [model.name for model in client.search_logged_models(["0"], order_by=by_auc)] == ["good", "bad"]
        assert [model.name for model in client.search_logged_models(["0"], "metrics.auc < 0.5")] == ["bad"]
        assert client.search_logged_models(["0"], "metrics.auc > 0", datasets=[{"dataset_name": "train"}]) == []
        page = client.search_logged_models(["0"], max_results=1, order_by=by_auc)
        rest = client.search_logged_models(["0"], order_by=by_auc, page_token=page.token)
        assert [model.params for model in (*page, *rest)] == [{"depth": "good"}, {"depth": "bad"}]

    await session(talk)


LOSSES = {"best": 0.5, "worst": 7.5, "nan": float("nan"), "none": None, "gone": 1.0}


def _run(client: MlflowClient, experiment_id: str, name: str, depth: int, loss: float | None) -> str:
    tags = {"a b": "it's best"} if name == "best" else {}
    run_id: str = client.create_run(experiment_id, start_time=1000 + depth, tags=tags, run_name=name).info.run_id
    client.log_param(run_id, "depth", depth)
    if loss is not None:
        client.log_batch(run_id, metrics=[Metric("loss", loss, 1, 0)])
    return run_id
