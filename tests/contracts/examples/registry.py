"""A version is registered, judged, approved, gone back from."""

from contracts import registry
from contracts.message import Message
from tests.contracts.examples.story import GATES, NOON, PIPELINE, ROLLOUT, RUN, RUN_URI, digest, lineage


def of_registry() -> list[Message]:
    verdicts = (
        registry.GateVerdict(
            gate=GATES[0], passed=True, value=0.71, threshold=0.6, explanation="auc 0.71 is at least 0.6"
        ),
        registry.GateVerdict(
            gate=GATES[1], passed=True, value=0.71, threshold=0.702, explanation="auc 0.71 is at least 0.702"
        ),
    )
    bundle = {"run_id": RUN, "bundle_uri": f"{RUN_URI}/bundle", "bundle_digest": digest("b")}
    papers = {
        "report_uri": f"{RUN_URI}/report.json",
        "report_digest": digest("a"),
        "record_uri": f"{RUN_URI}/record.json",
        "record_digest": digest("d"),
    }
    return [
        registry.ApproveModelVersion(pipeline=PIPELINE, version=2, approved_by="ada", reason="looks right"),
        registry.RejectModelVersion(pipeline=PIPELINE, version=2, rejected_by="ada", reason="wrong holiday"),
        registry.RollBackModel(pipeline=PIPELINE, to_version=1, requested_by="ada", reason="complaints"),
        registry.ModelVersionRegistered(
            pipeline=PIPELINE, version=2, model_digest=digest("f"), lineage=lineage(), **bundle
        ),
        registry.ImportModelVersion(
            pipeline=PIPELINE, imported_by="ada", reason="built again before the audit", **bundle, **papers
        ),
        registry.ModelVersionImported(
            pipeline=PIPELINE,
            version=2,
            original_version=2,
            model_digest=digest("f"),
            lineage=lineage(),
            imported_by="ada",
            imported_at=NOON,
            reason="built again before the audit",
            **bundle,
            **papers,
        ),
        registry.ModelVersionGatesEvaluated(
            pipeline=PIPELINE, version=2, passed=True, champion_version=1, verdicts=verdicts
        ),
        registry.ModelVersionAwaitingApproval(pipeline=PIPELINE, version=2),
        registry.ModelVersionApprovalGiven(
            pipeline=PIPELINE, version=2, approved_by="ada", reason="looks right", missing=1, decided_at=NOON
        ),
        registry.ModelVersionPromoted(
            pipeline=PIPELINE,
            version=2,
            previous_version=1,
            kind=registry.PromotionKind.APPROVAL,
            promoted_by="ada",
            reason="looks right",
            **bundle,
        ),
        registry.ModelVersionDemoted(
            pipeline=PIPELINE,
            version=2,
            champion_version=1,
            rollout_id=ROLLOUT,
            demoted_by="serving",
            reason="errors: 9 of 120 requests failed, 2 of 2300 of version 1",
        ),
        registry.ModelVersionRejected(
            pipeline=PIPELINE, version=2, run_id=RUN, rejected_by="gates", reason="auc 0.69 is not at least 0.702"
        ),
        registry.ModelCommandRefused(
            pipeline=PIPELINE,
            command=registry.ApproveModelVersion.subject,
            command_id="b7e1",
            requested_by="ada",
            version=2,
            rule="not_awaiting_approval",
            detail="not awaiting approval: version=2, state=rejected",
        ),
    ]
