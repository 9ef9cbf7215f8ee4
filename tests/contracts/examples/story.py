"""What every example tells of: a model of late flights, its run, its data."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts import training
from contracts.bundle import DatasetRef, Lineage
from contracts.pipeline import (
    AbsoluteGate,
    ChampionGate,
    Column,
    ColumnRole,
    ColumnType,
    DatasetContract,
    Gate,
    PipelineDefinition,
    Policy,
    Promotion,
    Trainer,
    TrainerName,
    TriggerKind,
)

PIPELINE = "flight_delays"
RUN = UUID("6f2d1a70-58b8-4c25-9d0e-0c8f2f7f9a01")
ROLLOUT = UUID("0a1c7d6e-4f1e-4c93-8a57-2f3f5b6f7c02")
PRECOMPUTATION = UUID("5d0be1f2-7c64-4b0f-9d51-3c1e8a6f4d03")
ALERT = UUID("1f6b2f0e-6a55-4f0a-9a53-7f0c2d9e4b05")
MLFLOW_RUN = RUN.hex
COLLECTED = {"collected_by": "ada", "reason": "nobody asked for it in a year"}
EXPERIMENT = "1"
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
RUN_URI = f"/srv/everloop/store/runs/{RUN}"
GATES = (AbsoluteGate(metric="auc", at_least=0.6), ChampionGate(metric="auc", margin=0.002))


def digest(letter: str) -> str:
    """Make a digest of one repeated hex digit."""
    return f"sha256:{letter * 64}"


def definition(
    *, gates: tuple[Gate, ...] = GATES, policy: Policy = Policy.AUTO, **promotion: Any
) -> PipelineDefinition:
    """Declare a small pipeline."""
    columns = (
        Column(name="scheduled_at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
        Column(name="carrier", type=ColumnType.STRING, categories=("AA", "UA")),
        Column(name="distance", type=ColumnType.NUMBER, minimum=0, description="Miles flown."),
        Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL, nullable=True),
    )
    return PipelineDefinition(
        name=PIPELINE,
        description="Will this flight arrive late?",
        dataset=DatasetContract(columns=columns, unique=("scheduled_at", "carrier"), min_rows=10),
        trainer=Trainer(name=TrainerName.LIGHTGBM, parameters={"num_leaves": 31}),
        promotion=Promotion(gates=gates, policy=policy, **promotion),
    )


def code() -> training.CodeSnapshot:
    """Name a code snapshot."""
    return training.CodeSnapshot(uri="/srv/everloop/store/code/c.zip", digest=digest("c"), commit="4b825dc")


def cause() -> training.Cause:
    """Say why a run exists."""
    return training.Cause(kind=TriggerKind.DRIFT, message_id="9d3f", as_of=NOON, reason="wind drifted")


def lineage() -> Lineage:
    """Say where a version came from."""
    dataset = DatasetRef(version=3, digest=digest("d"), table_uri="/srv/everloop/store/lake/flights", delta_version=2)
    return Lineage(
        run_id=RUN,
        dataset=dataset,
        code_digest=digest("c"),
        environment_digest=digest("e"),
        parameters={"num_leaves": 31},
        seed=17,
    )


def training_run_succeeded(**changes: Any) -> training.TrainingRunSucceeded:
    """Say that the run of the story succeeded."""
    content: dict[str, Any] = {
        "pipeline": PIPELINE,
        "run_id": RUN,
        "report_uri": f"{RUN_URI}/report.json",
        "report_digest": digest("a"),
        "bundle_uri": f"{RUN_URI}/bundle",
        "bundle_digest": digest("b"),
        "dataset_version": 3,
        "metrics": {"auc": 0.71},
        "duration_s": 9.5,
    }
    return training.TrainingRunSucceeded(**(content | changes))
