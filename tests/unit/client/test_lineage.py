"""From any id to the versions it has to do with, whichever service knows it."""

from pathlib import Path
from typing import Any

import pytest

from contracts import telemetry
from everloop.client.errors import PlatformUnreachableError, RefusedError
from everloop.client.lineage import lineage
from everloop.traces.span import Span
from everloop.traces.store import SpanStore
from tests.contracts.examples import digest

RUN = "6f2d1a70-58b8-4c25-9d0e-0c8f2f7f9a01"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Services:
    """Answers by service and path; anything else is not known."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.answers: dict[tuple[str, str], Any] = {
            ("registry", "/v1/models/flights/aliases"): {
                "history": [{"alias": "champion", "version": 3, "by": "ada", "reason": "good", "at": "2026-01-01"}]
            },
            ("registry", "/v1/models/flights"): {"aliases": {"champion": 3}},
            ("training", f"/v1/runs/{RUN}"): {"run_id": RUN, "pipeline": "flights"},
            ("ingestion", "/v1/datasets"): [{"pipeline": "flights"}],
            ("ingestion", "/v1/datasets/flights/versions"): [
                _data(4, "6", "7", mode="replace"),
                _data(3, "4", "5"),
                _data(2, "2", "3"),
                _data(1, "1", "1"),
            ],
            ("ingestion", "/v1/datasets/flights/versions/2"): _data(2, "2", "3"),
            ("serving", "/v1/deployments/flights"): {"answering": {"version": 3, "since": "2026-01-01"}},
            ("monitoring", "/v1/monitors/flights"): {"versions": [{"version": 3, "predictions": 12, "windows": 1}]},
            ("monitoring", "/v1/monitors/flights/versions/2/predictions"): [],
            ("monitoring", "/v1/monitors/flights/versions/3/predictions"): ["p-1"],
            ("monitoring", "/v1/predictions/p-1"): {"pipeline": "flights", "version": 3, "score": 0.5},
        }
        for number in (2, 3):
            made = {"run_id": RUN, "dataset": {"version": 2, "digest": digest("2")}}
            self.answers["registry", f"/v1/models/flights/versions/{number}"] = {"state": "promoted", "lineage": made}
        self.know(RUN, "run", 3)
        self.know(digest("2"), "dataset", 2, 3)
        self.know("4b825dc", "commit", 3)

    def know(self, identity: str, origin: str, *versions: int) -> None:
        found = [{"origin": origin, "model": "flights", "version": version} for version in versions]
        self.answers["registry", f"/v1/lineage/{identity}"] = {"versions": found}

    async def get(self, service: str, path: str) -> Any:
        if service in self.silent:
            raise PlatformUnreachableError(f"{service} does not answer")
        if (service, path) not in self.answers:
            raise RefusedError("Not Found")
        return self.answers[service, path]


def _data(version: int, named: str, raw: str, mode: str = "append") -> dict[str, Any]:
    return {"version": version, "digest": digest(named), "raw_digest": digest(raw), "raw_uri": "/raw", "mode": mode}


@pytest.mark.parametrize(
    ("identity", "kind", "versions"),
    [
        ("flights/3", "version", [3]),
        ("flights@champion", "version", [3]),
        (RUN, "run", [3]),
        ("4b825dc", "commit", [3]),
        (digest("2"), "dataset", [2, 3]),
        (digest("3"), "raw file", [2, 3]),
        (digest("5"), "raw file", []),
        (digest("4"), "dataset", []),
        ("p-1", "prediction", [3]),
    ],
)
async def test_every_id_leads_to_its_versions(identity: str, kind: str, versions: list[int]) -> None:
    found = await lineage(Services(), identity)  # type: ignore[arg-type]

    assert (found.kind, [one.version for one in found.versions]) == (kind, versions)


async def test_a_version_leads_to_its_data_its_run_its_deployment_and_its_predictions() -> None:
    found = await lineage(Services(), "flights/3")  # type: ignore[arg-type]

    (one,) = found.versions
    assert one.run == {"run_id": RUN, "pipeline": "flights"}
    assert one.data == _data(2, "2", "3")
    assert [move["by"] for move in one.moves] == ["ada"]
    assert one.deployment == {"version": 3, "since": "2026-01-01"}
    assert one.predictions == {"version": 3, "predictions": 12, "windows": 1}
    assert one.newest_predictions == ["p-1"]
    assert (one.original, one.missing) == (None, {})


async def test_a_version_that_does_not_answer_has_no_deployment() -> None:
    found = await lineage(Services(), "flights/2")  # type: ignore[arg-type]

    assert (found.versions[0].deployment, found.versions[0].moves) == (None, [])


async def test_what_is_not_known_is_named_and_the_rest_is_told() -> None:
    services = Services()
    services.silent = {"monitoring"}
    services.answers["ingestion", "/v1/datasets/flights/versions/2"] = _data(2, "9", "9")
    del services.answers["training", f"/v1/runs/{RUN}"]

    found = await lineage(services, "flights/3")  # type: ignore[arg-type]

    assert set(found.versions[0].missing) == {"data", "predictions", "run"}
    assert found.versions[0].deployment


async def test_a_run_that_became_no_version_is_found() -> None:
    services = Services()
    del services.answers["registry", f"/v1/lineage/{RUN}"]

    found = await lineage(services, RUN)  # type: ignore[arg-type]

    assert (found.kind, found.versions, found.asked) == ("run", [], {"run_id": RUN, "pipeline": "flights"})


async def test_a_trace_leads_to_the_versions_that_answered_and_the_one_that_was_trained(tmp_path: Path) -> None:
    store = SpanStore(tmp_path / "spans.sqlite")
    about: tuple[dict[str, str | int], ...] = (
        {telemetry.PIPELINE: "flights", telemetry.MODEL_VERSION: 2},
        {telemetry.RUN_ID: RUN},
    )
    store.add(
        Span(TRACE, f"{place:016x}", None, "serving", "infer", "server", 1, 2, attributes=attributes)
        for place, attributes in enumerate(about)
    )
    store.close()

    found = await lineage(Services(), TRACE, spans=tmp_path / "spans.sqlite")  # type: ignore[arg-type]

    assert (found.kind, [one.version for one in found.versions]) == ("trace", [2, 3])


async def test_an_id_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="nothing is known as deadbeef"):
        await lineage(Services(), "deadbeef", spans=tmp_path / "none.sqlite")  # type: ignore[arg-type]
