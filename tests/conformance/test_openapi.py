"""The OpenAPI document of a model is true: whatever it allows or forbids, the model answers or refuses as it says."""

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from everloop.bundle.rows import signature_of
from services.serving.replica.openapi import document
from tests.fixtures.bundles import DEFINITION, bundles
from tests.fixtures.inference import Server, server

__all__ = ["bundles", "server"]


DOCUMENT = document("tiny", 2, signature_of(DEFINITION.dataset), DEFINITION.dataset)
# What is too large may be refused for that before it is read for its faults.
REFUSED = ["400", "404", "405", "413", "415"]
CONFIG = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSED}}})

# Naming a version leads to the same code; asking everything twice would only take twice as long.
schema = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG).exclude(
    operation_id=["inferByVersion", "predictByVersion"]
)


def test_document_is_what_the_model_gives(server: Server) -> None:
    assert httpx.get(f"{server.url}/v1/models/tiny/openapi.json", trust_env=False).json() == DOCUMENT


@schema.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_is_answered_or_refused(case: schemathesis.Case, server: Server) -> None:
    # A schema can't say that a tensor has as many values as its shape, or that this model can't be explained.
    case.call_and_validate(base_url=server.url, excluded_checks=[positive_data_acceptance])
