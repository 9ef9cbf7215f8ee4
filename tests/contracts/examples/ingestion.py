"""Data arrive, or are refused."""

from contracts import ingestion
from contracts.message import Message
from tests.contracts.examples.story import NOON, PIPELINE, WEEK, digest


def of_ingestion() -> list[Message]:
    violation = ingestion.Violation(rule=ingestion.Rule.RANGE, column="distance", rows=4, detail="at least 0; -1 found")
    return [
        ingestion.IngestDataset(pipeline=PIPELINE, uri="/data/april.parquet", digest=digest("1")),
        ingestion.DatasetIngested(
            pipeline=PIPELINE,
            dataset_version=3,
            dataset_digest=digest("d"),
            table_uri="/srv/everloop/store/lake/flights",
            delta_version=2,
            mode=ingestion.IngestMode.APPEND,
            raw_uri="/srv/everloop/store/raw/1",
            raw_digest=digest("1"),
            new_rows=28000,
            rows=108000,
            profile_uri="/srv/everloop/store/profiles/flights/3.json",
            first_event=NOON - 4 * WEEK,
            last_event=NOON,
        ),
        ingestion.DatasetRejected(
            pipeline=PIPELINE,
            uri="/data/april.parquet",
            raw_uri="/srv/everloop/store/raw/1",
            raw_digest=digest("1"),
            violations=(violation,),
            quarantine_uri="/srv/everloop/store/quarantine/flights/1.parquet",
            schema_changes=("column wind is not declared",),
        ),
    ]
