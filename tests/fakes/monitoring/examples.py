"""A small shop that predicts returns: an amount and a country in, a probability out; windows of an hour."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import numpy as np

from contracts.monitoring import GroundTruth, RecordGroundTruth
from contracts.pipeline import (
    AbsoluteGate,
    Column,
    ColumnRole,
    ColumnType,
    DatasetContract,
    Monitors,
    PipelineDefinition,
    Promotion,
    Trainer,
    TrainerName,
)
from contracts.profile import CategoryCells, FeatureReference, NumericCells, Reference
from contracts.serving import PredictionBatch, PredictionsServed, RolloutCompleted, RolloutStepped
from contracts.training import CodeSnapshot, PipelineRegistered
from services.monitoring.counting import Baseline

PIPELINE = "returns"
START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(hours=1)
COUNTRIES = ("de", "fr", "nl")
REFERENCE_AUC = 0.8
QUALITY_BLOCKS = (0.81, 0.78, 0.83, 0.8, 0.76, 0.79, 0.82, 0.8, 0.84, 0.77, 0.8, 0.81)
LABEL_DELAY = timedelta(minutes=3)


def definition(**changes: object) -> PipelineDefinition:
    watch = {"window": WINDOW, "min_rows": 20, "quality_metric": "auc", **changes}
    return PipelineDefinition(
        name=PIPELINE,
        dataset=DatasetContract(
            columns=(
                Column(name="amount", type=ColumnType.NUMBER, nullable=True),
                Column(name="country", type=ColumnType.STRING),
                Column(name="weekday", type=ColumnType.INTEGER, monitored=False),
                Column(name="ordered_at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
                Column(name="returned", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL, nullable=True),
            )
        ),
        trainer=Trainer(name=TrainerName.LIGHTGBM),
        promotion=Promotion(gates=(AbsoluteGate(metric="auc", at_least=0.6),)),
        monitors=Monitors.model_validate(watch),
    )


def digest(letter: str = "a") -> str:
    return f"sha256:{letter * 64}"


def pipeline_registered(**changes: object) -> PipelineRegistered:
    code = CodeSnapshot(uri="/code.zip", digest=digest())
    return PipelineRegistered(pipeline=PIPELINE, definition=definition(**changes), code=code)


def rollout_completed(version: int = 1, *, uri: str = "/bundle", bundle_digest: str | None = None) -> RolloutCompleted:
    return RolloutCompleted(
        pipeline=PIPELINE,
        rollout_id=UUID(int=version),
        version=version,
        bundle_uri=uri,
        bundle_digest=bundle_digest or digest(),
        url="http://127.0.0.1:8000",
        replicas=1,
        duration_s=1.0,
    )


def rollout_stepped(version: int = 1, *, kind: Literal["shadow", "canary", "bake"] = "canary") -> RolloutStepped:
    return RolloutStepped(
        pipeline=PIPELINE,
        rollout_id=UUID(int=version),
        version=version,
        step=0,
        steps=1,
        kind=kind,
        share=0.1,
        bake=timedelta(minutes=5),
        bundle_uri="/bundle",
        bundle_digest=digest(),
    )


def inputs(rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> dict[str, tuple[float | str | None, ...]]:
    amounts = rng.normal(50 + 20 * shift, 20, rows)
    missing = rng.random(rows) < 0.05
    return {
        "amount": tuple(None if gone else float(amount) for amount, gone in zip(amounts, missing, strict=True)),
        "country": tuple(str(value) for value in rng.choice(COUNTRIES, rows, p=(0.5, 0.3, 0.2))),
        "weekday": tuple(int(value) for value in rng.integers(0, 7, rows)),
    }


def reference(*, blocks: int = 40, rows: int = 200, seed: int = 1) -> Reference:
    """Count seeded blocks of the same process as ``inputs``."""
    rng = np.random.default_rng(seed)
    features = (
        ("amount", NumericCells(edges=tuple(float(edge) for edge in np.arange(10, 95, 10)))),
        ("country", CategoryCells(values=COUNTRIES[:2], others=COUNTRIES[2:])),
        ("weekday", NumericCells(edges=(0.5, 1.5, 2.5, 3.5, 4.5, 5.5))),
    )
    score = NumericCells(edges=tuple(float(edge) for edge in np.arange(0.1, 0.95, 0.1)))
    empty = Reference(
        block_starts=tuple(START - WINDOW * (blocks - block) for block in range(blocks)),
        block_seconds=WINDOW.total_seconds(),
        inputs=tuple(FeatureReference(name=name, cells=cells, block_counts=()) for name, cells in features),
        score_block_starts=tuple(START - WINDOW * (blocks - block) for block in range(blocks)),
        score=FeatureReference(name="score", cells=score, block_counts=()),
        quality={"auc": REFERENCE_AUC},
        quality_blocks={"auc": QUALITY_BLOCKS},
    )
    baseline = Baseline(empty)
    counts = np.vstack(
        [
            baseline.count(inputs(rng, rows), rng.random(rows).tolist(), np.zeros(rows, np.int64), 1)
            for _ in range(blocks)
        ]
    )

    def counted(name: str) -> tuple[tuple[int, ...], ...]:
        feature = next(f for f in (*baseline.inputs, baseline.score) if f.name == name)
        return tuple(tuple(block) for block in counts[:, feature.place].tolist())

    return empty.model_copy(
        update={
            "inputs": tuple(f.model_copy(update={"block_counts": counted(f.name)}) for f in empty.inputs),
            "score": empty.score.model_copy(update={"block_counts": counted("score")}),
        }
    )


def batch(
    ids: Sequence[str], event_times: Sequence[datetime], scores: Sequence[float], *, version: int = 1, **more: object
) -> PredictionBatch:
    rng = np.random.default_rng(len(ids))
    return PredictionBatch.model_validate(
        {
            "version": version,
            "prediction_ids": ids,
            "event_times": event_times,
            "served_at": event_times[-1],
            "inputs": inputs(rng, len(ids)),
            "scores": scores,
            **more,
        }
    )


def hour(number: int, *, rows: int = 200, version: int = 1, shift: float = 0.0, prefix: str = "p") -> PredictionBatch:
    """One window's predictions; prediction ``<prefix><hour>-<row>`` scored evenly over 0–1."""
    rng = np.random.default_rng([number, version, 7])
    times = [START + WINDOW * number + WINDOW * row / rows for row in range(rows)]
    return PredictionBatch(
        version=version,
        prediction_ids=tuple(f"{prefix}{number}-{row}" for row in range(rows)),
        event_times=tuple(times),
        served_at=times[-1],
        inputs=inputs(rng, rows, shift=shift),
        scores=tuple(rng.random(rows).tolist()),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def served(*batches: PredictionBatch) -> PredictionsServed:
    return PredictionsServed(pipeline=PIPELINE, replica="replica-1", batches=batches)


def truth(batch: PredictionBatch, *, inverted: bool = False, fraction: float = 1.0) -> RecordGroundTruth:
    """Labels that the scores rank well, or badly: drawn with the score (or its complement) as their probability."""
    rng = np.random.default_rng(len(batch.prediction_ids))
    labels = tuple(
        GroundTruth(
            prediction_id=id_,
            label=float(rng.random() < ((1 - score) if inverted else score)),
            observed_at=time + LABEL_DELAY,
        )
        for id_, time, score in zip(batch.prediction_ids, batch.event_times, batch.scores, strict=True)
    )
    return RecordGroundTruth(pipeline=PIPELINE, labels=labels[: round(fraction * len(labels))])


def label(prediction_id: str, value: float, observed_at: datetime = START) -> GroundTruth:
    return GroundTruth(prediction_id=prediction_id, label=value, observed_at=observed_at)
