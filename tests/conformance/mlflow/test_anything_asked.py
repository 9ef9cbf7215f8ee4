"""Whatever the registry is asked, in MLflow's protocol or its own, it answers or refuses, and never breaks."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema

from services.registry.mlflow.edge import METHODS
from tests.conformance.mlflow.protocol import document
from tests.fixtures.registry_process import RegistryProcess, registry_process

FEW = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """A registry that is asked everything."""
    with registry_process(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def protocol(registry: RegistryProcess) -> BaseSchema:
    """MLflow's protocol, about a run, a model and a version that are there."""
    with httpx.Client(base_url=f"{registry.url}/api/2.0/mlflow/", trust_env=False) as client:
        run = client.post("runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
        client.post("registered-models/create", json={"name": "known"}).raise_for_status()
        client.post("model-versions/create", json={"name": "known", "source": "s3://bucket/x"}).raise_for_status()
        made = client.post("logged-models", json={"experiment_id": "0", "name": "known"}).json()
    known = {"experiment_id": "0", "run_id": run, "name": "known", "version": "1", "alias": "best"}
    known["model_id"] = made["model"]["info"]["model_id"]
    return schemathesis.openapi.from_dict(document(METHODS, known=known))


@pytest.fixture(scope="module")
def own(registry: RegistryProcess) -> BaseSchema:
    """The registry's own API."""
    return schemathesis.openapi.from_dict(httpx.get(f"{registry.url}/openapi.json", trust_env=False).json())


def test_mlflows_protocol(protocol: BaseSchema, registry: RegistryProcess) -> None:
    _ask_anything(protocol, registry.url)


def test_the_registrys_own_api(own: BaseSchema, registry: RegistryProcess) -> None:
    _ask_anything(own, registry.url)


def _ask_anything(schema: BaseSchema, url: str) -> None:
    # Schemathesis parametrizes tests with a schema of a fixture through what pytest 9 no longer has.
    for found in schema.get_all_operations():

        @FEW
        @given(case=found.ok().as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=url, checks=[not_a_server_error])

        ask()
