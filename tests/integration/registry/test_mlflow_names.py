"""Models and versions are named, described, tagged and deleted through MLflow's own client."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.exceptions import MlflowException

from contracts.registered_models import (
    ModelCreated,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    ModelTagged,
    ModelVersionDeleted,
    ModelVersionLogged,
)
from services.registry.keys import key_of
from tests.fixtures.mlflow import S3, registry_of, said
from tests.fixtures.services import World

pytestmark = pytest.mark.filterwarnings("ignore:.*model registry stages:FutureWarning")
ELSEWHERE = (
    "/etc/passwd",
    "file:///etc/passwd",
    "models/1",
    "s3://bucket/../other",
    "s3://bucket/%2e%2e/other",
    "s3://bucket/%252e%252e/other",
    "mlflow-artifacts:/../other",
    "mlflow-artifacts:/1/2/artifacts/model",
    "s3://bucket/model#other",
    "s3://bucket/model?versionId=1",
    "s3://bucket/model%3Fother",
    "s3://bucket/mo\0del",
    "s3://bucket/model%00",
    "models:/nothing/1",
    "models:/m-0123456789abcdef0123456789abcdef",
    "models:/flights/2/more",
    "models://host/flights/1",
)


async def test_a_model_is_made_described_tagged_renamed_and_deleted(world: World) -> None:
    async with registry_of(world) as client:
        made = await client.create_registered_model("Late flights", tags={"team": "arrivals"}, description="Late?")
        await client.set_registered_model_tag("Late flights", "team", "departures")
        await client.set_registered_model_tag("Late flights", "since", "2013")
        await client.delete_registered_model_tag("Late flights", "since")
        described = await client.update_registered_model("Late flights", "Will it be late?")
        await client.create_model_version("Late flights", S3)
        await client.rename_registered_model("Late flights", "Punctuality")
        renamed = await client.get_registered_model("Punctuality")

        assert (made.name, made.tags, made.description) == ("Late flights", {"team": "arrivals"}, "Late?")
        assert described.last_updated_timestamp >= made.creation_timestamp > 0
        assert (renamed.name, renamed.description, renamed.tags) == (
            "Punctuality",
            "Will it be late?",
            {"team": "departures"},
        )
        assert [version.name for version in renamed.latest_versions] == ["Punctuality"]
        assert (await client.refused("get_registered_model", "Late flights")).startswith("RESOURCE_DOES_NOT_EXIST")
        assert "RESOURCE_ALREADY_EXISTS" in await client.refused("create_registered_model", "Punctuality")
        await client.delete_registered_model("Punctuality")
        assert "RESOURCE_DOES_NOT_EXIST" in await client.refused("get_model_version", "Punctuality", 1)

        await client.create_registered_model("Punctuality")
        assert (await client.get_registered_model("Punctuality")).tags == {}
        assert (await client.create_model_version("Punctuality", S3)).version == "2"
        tagged = [(one.key, one.value, one.previous_value) for one in await said(world, ModelTagged, 3)]
        assert tagged == [("team", "departures", "arrivals"), ("since", "2013", None), ("since", None, "2013")]
        (one,) = await said(world, ModelDescribed)
        assert (one.description, one.previous_description) == ("Will it be late?", "Late?")
        (moved,) = await said(world, ModelRenamed)
        assert (moved.pipeline, moved.previous_pipeline) == (key_of("Punctuality"), key_of("Late flights"))
        assert (await said(world, ModelDeleted))[0].versions == (1,)
        assert len(await said(world, ModelCreated, 2)) == 2


async def test_a_number_is_never_given_twice(world: World) -> None:
    async with registry_of(world) as client:
        await client.create_registered_model("flights")
        first = await client.create_model_version("flights", S3, tags={"size": "small"}, description="the first")
        await client.update_model_version("flights", 1, "still the first")
        await client.set_model_version_tag("flights", 1, "size", "large")
        await client.set_registered_model_alias("flights", "newest", 1)
        read = await client.get_model_version("flights", "1")
        await client.delete_model_version("flights", 1)
        second = await client.create_model_version("flights", S3, run_link="https://example.org/run")

        assert (first.version, first.status, first.current_stage) == ("1", "READY", "None")
        assert (read.description, read.tags, read.aliases) == ("still the first", {"size": "large"}, ["newest"])
        assert (second.version, second.run_link) == ("2", "https://example.org/run")
        assert "INVALID_PARAMETER_VALUE" in await client.refused("get_model_version_by_alias", "flights", "newest")
        assert "RESOURCE_DOES_NOT_EXIST" in await client.refused("get_model_version", "flights", 1)
        assert "RESOURCE_DOES_NOT_EXIST" in await client.refused("create_model_version", "trains", S3)
        assert [one.version for one in await said(world, ModelVersionLogged, 2)] == [1, 2]
        (deleted,) = await said(world, ModelVersionDeleted)
        assert (deleted.version, deleted.aliases) == (1, ("newest",))


async def test_eight_at_once_make_one_model_and_get_a_number_each(world: World) -> None:
    async with registry_of(world) as client:

        def register(start: threading.Barrier) -> tuple[str, list[str]]:
            start.wait()
            try:
                told = client.blocking.create_registered_model("flights").name
            except MlflowException as error:
                told = error.error_code
            return told, [client.blocking.create_model_version("flights", S3).version for _ in range(5)]

        with ThreadPoolExecutor(8) as threads:
            start, loop = threading.Barrier(8), asyncio.get_running_loop()
            done = await asyncio.gather(*(loop.run_in_executor(threads, register, start) for _ in range(8)))

        assert sorted(told for told, _ in done) == ["RESOURCE_ALREADY_EXISTS"] * 7 + ["flights"]
        assert sorted(int(number) for _, mine in done for number in mine) == list(range(1, 41))


async def test_names_are_followed_to_the_files_once(sqlite_world: World) -> None:
    async with registry_of(sqlite_world) as client:
        await client.create_registered_model("flights")
        await client.create_registered_model("arrivals")
        await client.create_model_version("flights", S3)
        await client.set_registered_model_alias("flights", "good", 1)

        copy = await client.create_model_version("arrivals", "models:/flights@good")
        back = await client.create_model_version("flights", "models:/arrivals/latest")
        await client.set_registered_model_alias("flights", "good", 2)

        assert (copy.source, back.source) == ("models:/flights/1", "models:/arrivals/1")
        assert await client.get_model_version_download_uri("arrivals", 1) == S3
        assert await client.get_model_version_download_uri("flights", 2) == S3
        assert (await client.get_model_version_by_alias("flights", "good")).version == "2"
        assert (await client.get_model_version_by_alias("flights", "latest")).version == "2"


async def test_sources_that_lead_elsewhere_are_refused(sqlite_world: World) -> None:
    async with registry_of(sqlite_world) as client:
        await client.create_registered_model("flights")

        for source in ELSEWHERE:
            assert "INVALID_PARAMETER_VALUE" in await client.refused("create_model_version", "flights", source)
        assert (await client.get_registered_model("flights")).latest_versions == []
