"""Two versions are compared, and every id of a version leads to it, over HTTP and on both databases."""

from pathlib import Path
from typing import Any

from contracts.registry import ModelVersionPromoted
from tests.contracts.examples import PIPELINE, digest
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.services import World
from tests.integration.registry.test_runs_become_versions import ABOVE_SIX, running, said


async def test_versions_are_compared_and_found_by_what_they_are_made_of(world: World, tmp_path: Path) -> None:
    first, second = leave_run(tmp_path), leave_run(tmp_path, 2, metrics={"auc": 0.9})
    async with running(world) as client:

        async def got(path: str, status: int = 200) -> Any:
            answer = await client.get(path)
            assert answer.status_code == status, answer.text
            return answer.json()

        await world.publish(pipeline_registered(gates=ABOVE_SIX))
        for count, run in enumerate((first, second), start=1):
            await world.publish(run)
            await said(world, ModelVersionPromoted, count)

        diff = await got(f"/models/{PIPELINE}/diff?from=1&to=2")
        assert diff["metrics"] == [{"name": "auc", "before": 0.71, "after": 0.9}]
        assert [change["name"] for change in diff["source"]] == ["digest"]
        assert [(file["path"], file["fate"]) for file in diff["code"]] == [("pipeline/pipeline.py", "changed")]
        assert diff["code"][0]["diff"].endswith("-run = 1\n+run = 2")
        assert (diff["data"], diff["environment"], diff["definition"]) == ([], [], [])
        await got(f"/models/{PIPELINE}/diff?from=1&to=3", 404)
        logged = {"name": PIPELINE, "source": "s3://bucket/model"}
        mlflow = str(client.base_url).replace("/v1/", "/api/2.0/mlflow")
        assert (await client.post(f"{mlflow}/model-versions/create", json=logged)).status_code == 200
        assert "can't be built again" in (await got(f"/models/{PIPELINE}/versions/3"))["untold"]

        await got(f"/models/{PIPELINE}/versions/1/record", 404)

        lineage = (await got(f"/models/{PIPELINE}/versions/1"))["lineage"]
        for identity, origin, versions in (
            (str(first.run_id), "run", [1]),
            (first.run_id.hex, "run", [1]),
            (first.bundle_digest, "bundle", [1]),
            (lineage["code_digest"], "code", [1]),
            (lineage["environment_digest"], "environment", [1, 2]),
            (lineage["dataset"]["digest"], "dataset", [1, 2]),
        ):
            found = (await got(f"/lineage/{identity}"))["versions"]
            assert [(one["origin"], one["version"]) for one in found] == [(origin, number) for number in versions]
        (one,) = (await got(f"/lineage/{second.run_id}"))["versions"]
        assert (one["model"], one["aliases"], [move["alias"] for move in one["moves"]]) == (
            PIPELINE,
            ["champion"],
            ["champion"],
        )
        for unknown in (digest("7"), "nonsense", "a" * 40):
            await got(f"/lineage/{unknown}", 404)
        for odd in ("%00", "a%2Fb", "%25"):
            assert (await client.get(f"/lineage/{odd}")).status_code in (404, 422)

        (Path(first.bundle_uri) / "code.zip").write_bytes(b"harmed")
        problem = await got(f"/models/{PIPELINE}/diff?from=1&to=2", 409)
        assert "code.zip" in problem["detail"]
