"""The same broker in a container, once: the image holds nothing but the server."""

import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.ingestion import IngestDataset
from contracts.serving import RolloutStarted
from services.chassis.bus import connect
from services.chassis.streams import reconcile_streams
from tests.fixtures.nats import CONFIG, server_binary
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.chassis.echo import EchoSettings, build

DOCKERFILE = """\
FROM scratch
COPY nats-server /nats-server
COPY nats.conf /nats.conf
EXPOSE 4222
ENTRYPOINT ["/nats-server", "--config", "/nats.conf", "--addr", "0.0.0.0", "--store_dir", "/data"]
"""


@dataclass
class ContainerBroker:
    """A broker that others started."""

    url: str


def docker_trouble() -> str | None:
    """Say why Docker cannot be used, if so."""
    import docker
    from docker.errors import DockerException

    trouble = None
    try:
        docker.from_env().close()
    except DockerException as error:
        trouble = str(error)
    with warnings.catch_warnings():
        # The client leaves the socket open that did not connect; let it go here, not in another test.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return trouble


@pytest.fixture
def containerised_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a broker in a container."""
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image cannot be pulled everywhere
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.image import DockerImage
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    if trouble := docker_trouble():
        assert os.environ.get("EVERLOOP_REQUIRE_DOCKER") != "1", trouble
        pytest.skip(f"not run: Docker does not answer ({trouble}); EVERLOOP_REQUIRE_DOCKER=1 makes this a failure")
    shutil.copy(server_binary(), tmp_path / "nats-server")
    shutil.copy(CONFIG, tmp_path / "nats.conf")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    ready = LogMessageWaitStrategy("Server is ready").with_startup_timeout(60)
    with (
        DockerImage(path=tmp_path, tag="everloop-test-nats:latest", clean_up=True) as image,
        DockerContainer(str(image)).with_exposed_ports(4222).waiting_for(ready) as container,
    ):
        yield f"nats://{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"


@pytest.mark.docker
async def test_service_works_on_a_broker_in_a_container(containerised_broker: str, tmp_path: Path) -> None:
    async with connect(containerised_broker, name="test", patience_s=20) as bus:
        await reconcile_streams(bus)
        world = World(tmp_path / "home", ContainerBroker(containerised_broker), None, bus)
        async with world.running(build(world.settings(EchoSettings))):
            await world.publish(IngestDataset(pipeline="flights", uri="fine"))

            await eventually(lambda: world.said(RolloutStarted))
