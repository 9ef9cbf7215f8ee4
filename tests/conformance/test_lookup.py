"""Whatever is sent to look scores up is answered or refused, as the model's OpenAPI document says."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from everloop.bundle.rows import signature_of
from services.serving.replica.lookup_openapi import LOOKUP
from services.serving.replica.openapi import document
from tests.fixtures.bundles import DEFINITION
from tests.fixtures.inference import running
from tests.unit.serving.replica.test_lookup import Face

DOCUMENT = document("flights", 1, signature_of(DEFINITION.dataset), DEFINITION.dataset)
schema = schemathesis.openapi.from_dict({**DOCUMENT, "paths": {"/v1/models/flights/lookup": LOOKUP}})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A model with a lookup; its columns are others than the document's, so that rows are refused."""
    with TemporaryDirectory() as folder:
        face = Face(Path(folder))

        async def begin() -> None:
            await face.answers(3)
            await face.precomputed.follow(face.write(3, {"": 0.0, "UA1": 0.25, "0": 0.5}))

        asyncio.run(begin())
        with running(face.app) as address:
            yield f"http://{address}"


def test_the_document_of_a_model_says_how_to_look_scores_up(url: str) -> None:
    described = httpx.get(f"{url}/v1/models/flights/openapi.json", trust_env=False).json()

    assert described["paths"]["/v1/models/flights/lookup"] == LOOKUP


@schema.parametrize()
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_is_answered_or_refused(case: schemathesis.Case, url: str) -> None:
    # A schema can't say that there are as many rows as keys, or of what types this model's keys are.
    case.call_and_validate(base_url=url, excluded_checks=[positive_data_acceptance])
