"""A working start for a pipeline of one's own: the file and a sample that it trains on."""

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

SAMPLE_ROWS = 600
SHOPS = ("north", "south", "west")
PIPELINE = '''\
"""Will a parcel arrive late? Replace the columns, the features and the sample with your own."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from everloop import (
    AbsoluteGate,
    ChampionGate,
    Column,
    ColumnRole,
    ColumnType,
    DatasetContract,
    Monitors,
    Pipeline,
    PipelineDefinition,
    Promotion,
    Retraining,
    Trainer,
    TrainerName,
    Trigger,
    TriggerKind,
)


def features(rows: pa.Table) -> pa.Table:
    """Turn what is known when a prediction is asked for into the model's columns, each row by itself."""
    return pa.table(
        {
            "shop": rows["shop"],
            "weight_kg": rows["weight_kg"],
            "distance_km": rows["distance_km"],
            "log_distance": pc.log1p(rows["distance_km"]),
        }
    )


pipeline = Pipeline(
    definition=PipelineDefinition(
        name="{name}",
        description="Whether a parcel arrives late.",
        dataset=DatasetContract(
            columns=(
                Column(name="parcel_id", type=ColumnType.STRING, role=ColumnRole.ID),
                # When the example happened: the data is cut by it into training, validation and held-out rows.
                Column(name="sent_at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
                # Features are what a prediction request carries.
                Column(name="shop", type=ColumnType.STRING),
                Column(name="weight_kg", type=ColumnType.NUMBER, minimum=0, nullable=True),
                Column(name="distance_km", type=ColumnType.NUMBER, minimum=0),
                # What really happened, known later, and when it became known.
                Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL, nullable=True),
                Column(name="arrived_at", type=ColumnType.TIMESTAMP, role=ColumnRole.LABEL_TIME, nullable=True),
            ),
            unique=("parcel_id",),
        ),
        trainer=Trainer(name=TrainerName.LIGHTGBM, parameters={"learning_rate": 0.1, "min_data_in_leaf": 20}),
        promotion=Promotion(
            gates=(
                AbsoluteGate(metric="auc", at_least=0.6),
                ChampionGate(metric="auc", margin=0.0),
                AbsoluteGate(metric="latency_ms", at_most=20),
            )
        ),
        retraining=Retraining(
            triggers=(Trigger(on=TriggerKind.DATA), Trigger(on=TriggerKind.DRIFT), Trigger(on=TriggerKind.QUALITY)),
            cooldown=timedelta(days=7),
        ),
        monitors=Monitors(window=timedelta(days=7)),
    ),
    features=features,
)
'''


def new_pipeline(name: str, parent: Path) -> Path:
    """Write ``<parent>/<name>/`` with a pipeline that passes ``everloop pipeline check``.

    Args:
        name: Of the pipeline: lower case, digits, underscores.
        parent: Where the folder goes; made if it is not there.

    Returns:
        The folder.

    Raises:
        FileExistsError: It is there already.
    """
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "pipeline.py").write_text(PIPELINE.replace("{name}", name))
    with (folder / "sample.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("parcel_id", "sent_at", "shop", "weight_kg", "distance_km", "late", "arrived_at"))
        rows.writerows(_parcel(number, random.Random(number)) for number in range(SAMPLE_ROWS))  # noqa: S311
    return folder


def _parcel(number: int, chance: random.Random) -> tuple[object, ...]:
    sent_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=2 * number)
    shop, distance = chance.choice(SHOPS), round(chance.expovariate(1 / 200), 1)
    weight = "" if chance.random() < 0.05 else round(chance.uniform(0.1, 20), 2)
    late = chance.random() < min(0.9, distance / 500 + (0.2 if shop == "north" else 0.0))
    arrived_at = sent_at + timedelta(hours=30 + 40 * late + distance / 60)
    return f"p{number:05d}", _utc(sent_at), shop, weight, distance, str(late).lower(), _utc(arrived_at)


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
