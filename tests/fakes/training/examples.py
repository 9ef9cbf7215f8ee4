"""Messages and values that training's tests speak of."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.bundle import DatasetRef
from contracts.ingestion import DatasetIngested, IngestMode
from contracts.monitoring import DriftDetected, DriftKind, FeatureShift, GroundTruthRecorded, QualityDegraded
from contracts.pipeline import (
    AbsoluteGate,
    Column,
    ColumnRole,
    ColumnType,
    DatasetContract,
    PipelineDefinition,
    Promotion,
    Retraining,
    Trainer,
    TrainerName,
    Trigger,
    TriggerKind,
)
from contracts.registry import ModelVersionDemoted, ModelVersionPromoted, ModelVersionRejected, PromotionKind
from contracts.training import Cause as RunCause
from contracts.training import CodeSnapshot, RegisterPipeline
from services.chassis.subscriptions import Cause
from services.training.domain import Dataset, HeardCause, Pipeline
from services.training.run import Result, Run, RunState, run_id_of

NAME = "flights"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATA_TIME = datetime(2013, 1, 1, tzinfo=UTC)
ALL_TRIGGERS = (
    Trigger(on=TriggerKind.DATA),
    Trigger(on=TriggerKind.DRIFT),
    Trigger(on=TriggerKind.QUALITY),
    Trigger(on=TriggerKind.LABELS, min_new_labels=100),
)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def definition(
    *, name: str = NAME, max_attempts: int = 3, timeout_s: float = 60, **retraining: Any
) -> PipelineDefinition:
    retraining.setdefault("triggers", ALL_TRIGGERS)
    return PipelineDefinition(
        name=name,
        dataset=DatasetContract(
            columns=(
                Column(name="distance", type=ColumnType.NUMBER),
                Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL),
                Column(name="at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
            )
        ),
        trainer=Trainer(
            name=TrainerName.LIGHTGBM, parameters={"leaves": 31}, max_attempts=max_attempts, timeout_s=timeout_s
        ),
        promotion=Promotion(gates=(AbsoluteGate(metric="auc", at_least=0.6),)),
        retraining=Retraining(**retraining),
    )


def code(letter: str = "c") -> CodeSnapshot:
    return CodeSnapshot(uri=f"/store/code/{letter}.zip", digest=digest(letter))


def pipeline(**fields: Any) -> Pipeline:
    return Pipeline(definition=definition(**fields), code=code(), registered_at=NOON)


def register_pipeline(**fields: Any) -> RegisterPipeline:
    declared = definition(**fields)
    return RegisterPipeline(pipeline=declared.name, definition=declared, code=code())


def dataset(version: int = 1, *, new_rows: int = 1000) -> Dataset:
    ref = DatasetRef(version=version, digest=digest("d"), table_uri="/store/lake/flights", delta_version=version - 1)
    return Dataset(
        ref=ref, rows=new_rows * version, new_rows=new_rows, last_event=DATA_TIME + timedelta(days=30 * version)
    )


def dataset_ingested(version: int = 1, *, name: str = NAME, new_rows: int = 1000) -> DatasetIngested:
    kept = dataset(version, new_rows=new_rows)
    return DatasetIngested(
        pipeline=name,
        dataset_version=version,
        dataset_digest=kept.ref.digest,
        table_uri=kept.ref.table_uri,
        delta_version=kept.ref.delta_version,
        mode=IngestMode.APPEND,
        raw_uri=f"/store/raw/{version}",
        raw_digest=digest("e"),
        new_rows=new_rows,
        rows=kept.rows,
        profile_uri=f"/store/profiles/{version}.json",
        first_event=kept.last_event - timedelta(days=30),
        last_event=kept.last_event,
    )


def drift_detected(day: int = 60) -> DriftDetected:
    end = DATA_TIME + timedelta(days=day)
    return DriftDetected(
        pipeline=NAME,
        version=1,
        drift=DriftKind.INPUT,
        window_start=end - timedelta(days=7),
        window_end=end,
        rows=500,
        statistic=9.0,
        threshold=4.0,
        false_alarm_rate=0.05,
        shifts=(FeatureShift(feature="distance", effect=0.4, score=9.0),),
        reference_uri="/store/runs/x/bundle/reference.json",
    )


def quality_degraded(day: int = 60) -> QualityDegraded:
    end = DATA_TIME + timedelta(days=day)
    return QualityDegraded(
        pipeline=NAME,
        version=1,
        window_start=end - timedelta(days=7),
        window_end=end,
        metric="auc",
        value=0.6,
        low=0.58,
        high=0.62,
        reference=0.72,
        threshold=0.69,
        predictions=500,
        labelled=480,
    )


def ground_truth_recorded(total: int) -> GroundTruthRecorded:
    return GroundTruthRecorded(
        pipeline=NAME, matched=10, parked=0, corrected=0, total=total, latest_observation=DATA_TIME
    )


def model_version_promoted(version: int = 1, **fields: Any) -> ModelVersionPromoted:
    content: dict[str, Any] = {
        "pipeline": NAME,
        "version": version,
        "kind": PromotionKind.GATES,
        "promoted_by": "policy:auto",
        "reason": "all gates passed",
        "run_id": UUID(int=version),
        "bundle_uri": f"/store/runs/{version}/bundle",
        "bundle_digest": digest("b"),
    }
    return ModelVersionPromoted(**content | fields)


def model_version_rejected(run_id: UUID, version: int = 2, **fields: Any) -> ModelVersionRejected:
    content: dict[str, Any] = {
        "pipeline": NAME,
        "version": version,
        "run_id": run_id,
        "rejected_by": "gates",
        "reason": "auc 0.70 is not above the champion's 0.72",
    }
    return ModelVersionRejected(**content | fields)


def model_version_demoted(version: int = 2, **fields: Any) -> ModelVersionDemoted:
    content: dict[str, Any] = {
        "pipeline": NAME,
        "version": version,
        "rollout_id": UUID(int=version),
        "demoted_by": "serving",
        "reason": "too slow",
    }
    return ModelVersionDemoted(**content | fields)


def result(letter: str = "a") -> Result:
    return Result(
        report_uri="/store/runs/x/report.json",
        report_digest=digest(letter),
        bundle_uri="/store/runs/x/bundle",
        bundle_digest=digest("b"),
        metrics={"auc": 0.7},
    )


def message(number: int = 1, *, at: datetime = NOON) -> Cause:
    """The envelope around a message, as a handler sees it."""
    return Cause(message_id=f"message-{number}", correlation_id=f"message-{number}", said_at=at, received_at=at)


def run_cause(kind: TriggerKind = TriggerKind.DATA, *, number: int = 1, day: int = 60) -> RunCause:
    return RunCause(kind=kind, message_id=f"message-{number}", as_of=DATA_TIME + timedelta(days=day), reason="because")


def run(number: int = 1, *, name: str = NAME, kind: TriggerKind = TriggerKind.DATA, **fields: Any) -> Run:
    at = NOON + timedelta(minutes=number)
    content: dict[str, Any] = {
        "run_id": run_id_of(name, f"message-{number}"),
        "pipeline": name,
        "cause": run_cause(kind, number=number),
        "origin": message(number),
        "state": RunState.DEBOUNCING,
        "created_at": at,
        "ready_at": at,
    }
    return Run(**content | fields)


def heard(number: int = 1, *, kind: TriggerKind = TriggerKind.DRIFT, **fields: Any) -> HeardCause:
    content: dict[str, Any] = {
        "pipeline": NAME,
        "cause": run_cause(kind, number=number),
        "origin": message(number),
        "heard_at": NOON + timedelta(minutes=number),
    }
    return HeardCause(**content | fields)
