"""A run's bundle becomes a version, or is refused with every reason."""

from typing import Any

import pytest

from contracts.bundle import BundleFile
from contracts.pipeline import Policy
from contracts.registry import (
    AliasMove,
    ModelVersionAwaitingApproval,
    ModelVersionGatesEvaluated,
    ModelVersionPromoted,
    ModelVersionRegistered,
    ModelVersionRejected,
    PromotionKind,
)
from services.chassis.errors import RejectedError
from services.registry.domain import VersionState, check_evidence, replay
from tests.contracts.examples import NOON, PIPELINE, digest
from tests.fakes.registry.examples import (
    InMemoryRegistry,
    evidence,
    manifest,
    pipeline_registered,
    report,
    run_id,
    run_succeeded,
)


@pytest.fixture
async def registry() -> InMemoryRegistry:
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered())
    return registry


def beating(champion: int, **changes: Any) -> dict[str, Any]:
    """Metrics of a candidate that is better than the champion."""
    return {
        "metrics": {"auc": 0.8},
        "champion_version": champion,
        "champion_metrics": {"auc": 0.7},
        **changes,
    }


async def test_first_run_becomes_version_one_and_champion(registry: InMemoryRegistry) -> None:
    registered, evaluated, promoted = await registry.succeed(1)

    assert isinstance(registered, ModelVersionRegistered)
    assert (registered.version, registered.run_id, registered.model_digest) == (1, run_id(1), digest("f"))
    assert registered.lineage == manifest(1).lineage
    assert isinstance(evaluated, ModelVersionGatesEvaluated)
    assert evaluated.passed
    assert [verdict.passed for verdict in evaluated.verdicts] == [True, True]
    assert isinstance(promoted, ModelVersionPromoted)
    assert (promoted.version, promoted.previous_version, promoted.kind) == (1, None, PromotionKind.GATES)
    assert (promoted.promoted_by, promoted.bundle_digest) == ("policy:auto", digest("b"))
    assert "auc 0.71 is at least 0.6" in promoted.reason


async def test_better_candidate_takes_over_and_the_forerunner_is_remembered(registry: InMemoryRegistry) -> None:
    await registry.succeed(1)

    *_, promoted = await registry.succeed(2, **beating(1))

    assert isinstance(promoted, ModelVersionPromoted)
    assert (promoted.version, promoted.previous_version) == (2, 1)
    aliases = replay(await registry.history.of_model(PIPELINE))
    assert (aliases.champion, aliases.previous, aliases.challenger) == (2, 1, None)


async def test_worse_candidate_is_refused_with_the_gate_that_refused_it(registry: InMemoryRegistry) -> None:
    await registry.succeed(1)

    registered, evaluated, refused = await registry.succeed(
        2, metrics={"auc": 0.65}, champion_version=1, champion_metrics={"auc": 0.7}
    )

    assert isinstance(registered, ModelVersionRegistered)
    assert isinstance(evaluated, ModelVersionGatesEvaluated)
    assert not evaluated.passed
    assert isinstance(refused, ModelVersionRejected)
    assert (refused.version, refused.rejected_by) == (2, "gates")
    assert "auc 0.65 is not at least 0.702 (champion version 1: 0.7, margin 0.002)" in refused.reason
    assert replay(await registry.history.of_model(PIPELINE)).champion == 1


async def test_candidate_compared_with_a_former_champion_is_refused(registry: InMemoryRegistry) -> None:
    await registry.succeed(1)
    await registry.succeed(2, **beating(1))

    *_, refused = await registry.succeed(3, **beating(1))

    assert isinstance(refused, ModelVersionRejected)
    assert "the champion changed since the comparison" in refused.reason


async def test_redelivered_run_registers_nothing(registry: InMemoryRegistry) -> None:
    await registry.succeed(1)

    assert await registry.hear(run_succeeded(1), message_id="said-again") == []
    assert len(await registry.versions.of_model(PIPELINE)) == 1


async def test_number_of_a_refused_version_is_not_used_again(registry: InMemoryRegistry) -> None:
    await registry.succeed(1, metrics={"auc": 0.5})
    await registry.succeed(2)
    await registry.hear(pipeline_registered())

    registered, *_ = await registry.succeed(3, **beating(2))

    assert isinstance(registered, ModelVersionRegistered)
    assert registered.version == 3


@pytest.mark.parametrize(
    ("policy", "wish"), [(Policy.ASK, "asks a person"), (Policy.NOTIFY, "tells people, who may approve it")]
)
async def test_version_waits_for_a_person_where_the_policy_says_so(policy: Policy, wish: str) -> None:
    registry = InMemoryRegistry()
    await registry.hear(pipeline_registered(policy=policy))

    *_, waiting = await registry.succeed(1)

    assert waiting == ModelVersionAwaitingApproval(
        pipeline=PIPELINE,
        version=1,
        reason=f"passed every gate; the policy {wish}",
        decided_at=NOON,
        moved=(AliasMove(alias="challenger", version=1),),
    )
    aliases = replay(await registry.history.of_model(PIPELINE))
    assert (aliases.champion, aliases.challenger) == (None, 1)
    version = await registry.versions.get(PIPELINE, 1)
    assert version is not None
    assert version.state is VersionState.AWAITING_APPROVAL


async def test_spoilt_bundle_is_refused_for_good(registry: InMemoryRegistry) -> None:
    registry.bundles.spoilt.add(run_succeeded(1).bundle_uri)

    (refused,) = await registry.succeed(1)

    assert isinstance(refused, ModelVersionRejected)
    assert (refused.version, refused.run_id, refused.rejected_by) == (None, run_id(1), "verification")
    assert "bundle digest mismatch" in refused.reason
    assert await registry.hear(run_succeeded(1), message_id="said-again") == []


async def test_store_that_does_not_answer_is_asked_again(registry: InMemoryRegistry) -> None:
    run = run_succeeded(1)
    assert await registry.hear(run) == []
    assert await registry.inspect() == []  # not due yet

    registry.bundles.evidence[run.bundle_uri] = evidence(1)
    registry.now += await _pause(registry)
    facts = await registry.inspect()

    assert [type(fact) for fact in facts] == [
        ModelVersionRegistered,
        ModelVersionGatesEvaluated,
        ModelVersionPromoted,
    ]


async def test_store_that_never_answers_is_given_up_on(registry: InMemoryRegistry) -> None:
    said = await registry.hear(run_succeeded(1))
    while not said:
        registry.now += await _pause(registry)
        said = await registry.inspect()

    (refused,) = said
    assert isinstance(refused, ModelVersionRejected)
    assert "store unreadable" in refused.reason


async def test_run_of_an_unknown_pipeline_waits_for_it() -> None:
    registry = InMemoryRegistry()
    assert await registry.succeed(1) == []
    assert await registry.hear(pipeline_registered()) == []

    registry.now += await _pause(registry)

    assert len(await registry.inspect()) == 3


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({"run_id": run_id(9)}, "run of the report"),
        ({"pipeline": "other"}, "pipeline of the report"),
        ({"bundle_digest": digest("0")}, "bundle of the report"),
        ({"model_digest": digest("0")}, "model file"),
    ],
)
def test_report_of_another_run_is_refused(found: dict[str, Any], fault: str) -> None:
    with pytest.raises(RejectedError, match=fault):
        check_evidence(run_succeeded(1), evidence(1, **found))


@pytest.mark.parametrize(
    ("lineage", "fault"),
    [
        ({"run_id": run_id(9)}, "run of the bundle"),
        ({"environment_digest": digest("0")}, "environment"),
        ({"code_digest": digest("0")}, "code"),
    ],
)
def test_lineage_that_contradicts_the_run_is_refused(lineage: dict[str, Any], fault: str) -> None:
    found = evidence(1)
    harmed = type(found)(manifest(1, **lineage), found.report, found.card)

    with pytest.raises(RejectedError, match=fault):
        check_evidence(run_succeeded(1), harmed)


def test_every_fault_of_a_bundle_is_named_at_once() -> None:
    whole = manifest(1)
    poor = whole.model_copy(update={"files": tuple(file for file in whole.files if file.path != BundleFile.CODE)})
    found = type(evidence(1))(poor, report(1, pipeline="other"), "")

    with pytest.raises(RejectedError) as raised:
        check_evidence(run_succeeded(1, dataset_version=7), found)

    assert raised.value.slug == "lineage_incomplete"
    for fault in ("no code.zip", "pipeline of the report", "dataset version: 7 was said, 3 was found"):
        assert fault in str(raised.value)


async def _pause(registry: InMemoryRegistry) -> Any:
    """Time until the next inspection is due."""
    far = registry.now.replace(year=registry.now.year + 1)
    (waiting,) = await registry.inspections.due(far, limit=1)
    return waiting.due_at - registry.now
