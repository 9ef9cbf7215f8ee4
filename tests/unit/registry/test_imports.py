"""A version of another registry is known here with its history, and no gate of this one has judged it."""

from dataclasses import replace
from typing import Any

from contracts.archive import RecordedDecision, VersionRecord
from contracts.pipeline import Policy
from contracts.registry import (
    ApproveModelVersion,
    ImportModelVersion,
    ModelCommandRefused,
    ModelVersionImported,
    RollBackModel,
)
from services.registry.domain import Aliases, Arrival, VersionState, replay
from tests.contracts import examples
from tests.contracts.examples import NOON, PIPELINE, digest
from tests.fakes.registry.examples import InMemoryRegistry, evidence, pipeline_registered, run_id

VERDICTS = next(one.verdicts for one in examples.every_message() if type(one).__name__ == "ModelVersionGatesEvaluated")


def record(number: int = 1, **changes: Any) -> VersionRecord:
    known: dict[str, Any] = {
        "pipeline": PIPELINE,
        "version": 7,
        "run_id": run_id(number),
        "bundle_digest": digest("b"),
        "state": "promoted",
        "registered_at": NOON,
        "verdicts": VERDICTS,
        "decision": RecordedDecision(by="policy:auto", reason="passed every gate", at=NOON),
    }
    return VersionRecord(**{**known, **changes})


async def arrive(registry: InMemoryRegistry, number: int = 1, **changes: Any) -> list[Any]:
    """Import the version that a run became elsewhere."""
    found = evidence(number)
    uri = found.report.bundle_uri
    arrival = Arrival(found, examples.definition(), record(number))
    registry.bundles.arrivals[uri] = replace(arrival, **changes)
    papers = {"report_uri": "/r", "report_digest": digest("a"), "record_uri": "/s", "record_digest": digest("d")}
    return await registry.hear(
        ImportModelVersion(
            pipeline=PIPELINE,
            run_id=run_id(number),
            bundle_uri=uri,
            bundle_digest=digest("b"),
            imported_by="ada",
            reason="the audit",
            **papers,
        )
    )


async def test_a_version_is_known_on_an_empty_registry_by_its_own_number() -> None:
    registry = InMemoryRegistry()

    (imported,) = await arrive(registry)

    assert isinstance(imported, ModelVersionImported)
    assert (imported.version, imported.original_version, imported.imported_by) == (7, 7, "ada")
    kept = await registry.versions.get(PIPELINE, 7)
    assert kept is not None
    assert (kept.state, kept.verdicts, kept.lineage) == (VersionState.IMPORTED, VERDICTS, imported.lineage)
    assert (await registry.models.get(PIPELINE)) is not None


async def test_a_number_given_here_before_is_not_given_again() -> None:
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered())
    await registry.succeed(2)

    (first,) = await arrive(registry, 1)
    (second,) = await arrive(registry, 3)

    assert (first.version, second.version) == (7, 8)
    assert second.original_version == 7


async def test_an_imported_version_is_never_champion() -> None:
    registry = InMemoryRegistry()
    await arrive(registry)

    approval = ApproveModelVersion(pipeline=PIPELINE, version=7, approved_by="eve", reason="it was champion there")
    rollback = RollBackModel(pipeline=PIPELINE, to_version=7, requested_by="eve", reason="it was champion there")
    said = [*await registry.hear(approval), *await registry.hear(rollback)]

    assert [type(one) for one in said] == [ModelCommandRefused, ModelCommandRefused]
    assert [one.rule for one in said if isinstance(one, ModelCommandRefused)] == [
        "not_awaiting_approval",
        "never_champion",
    ]
    assert replay(await registry.history.of_model(PIPELINE)) == Aliases()


async def test_a_version_is_imported_once() -> None:
    registry = InMemoryRegistry()
    await arrive(registry)

    (refused,) = await arrive(registry)

    assert isinstance(refused, ModelCommandRefused)
    assert (refused.rule, refused.requested_by) == ("version_already_here", "ada")
    assert len(await registry.versions.of_model(PIPELINE)) == 1


async def test_papers_of_another_version_are_refused() -> None:
    registry = InMemoryRegistry()

    (other_record,) = await arrive(registry, record=record(2))
    (other_report,) = await arrive(registry, evidence=evidence(2))

    assert (other_record.rule, other_report.rule) == ("record_of_another", "lineage_incomplete")
    assert await registry.versions.of_model(PIPELINE) == []


async def test_the_pipeline_as_it_is_here_stays_in_force() -> None:
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(policy=Policy.ASK))

    await arrive(registry)

    kept = await registry.models.get(PIPELINE)
    assert kept is not None
    assert kept.definition.promotion.policy is Policy.ASK
