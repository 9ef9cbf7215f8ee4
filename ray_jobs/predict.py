"""Predict: score every row of a dataset version with a model version.

::

    python -m ray_jobs.predict /path/to/spec.json
"""

import sys

import pyarrow as pa

from contracts.jobs import REFUSED_EXIT_CODE, PredictionReport, PredictionSpec
from contracts.message import utc_now
from contracts.pipeline import ColumnRole
from contracts.telemetry import DATASET_VERSION, PIPELINE
from everloop import storage
from everloop.bundle.manifest import BundleError
from everloop.bundle.model import Model
from everloop.bundle.rows import SCORE
from ray_jobs.dataset import DataError, read
from ray_jobs.progress import Stages
from ray_jobs.telemetry import tracing


def predict(spec: PredictionSpec) -> PredictionReport:
    """Carry out a prediction spec; labels are neither needed nor looked at.

    Raises:
        BundleError: The bundle is not what its digest says.
        DataError: The dataset can't be read as the model's contract says.
        StorageError: Something can't be read or written.
    """
    started_at = utc_now()
    model = Model.load(spec.bundle_uri, spec.bundle_digest)
    definition = model.definition
    attributes: dict[str, str | int] = {PIPELINE: definition.name, DATASET_VERSION: spec.dataset.version}
    keep = [column.name for column in definition.dataset.of_role(ColumnRole.ID)]
    keep.append(definition.dataset.event_time.name)

    def answer(batch: pa.Table) -> pa.Table:
        return batch.select(keep).append_column(SCORE, pa.array(model.predict_table(batch)))

    with tracing("predict", attributes) as spans:
        stages = Stages(storage.join(spec.output_uri, "progress.jsonl"), spans)
        with stages.stage("read", 0.0, 0.3):
            rows = read(spec.dataset, definition.dataset, spec.engine)
        with stages.stage("predict", 0.3, 1.0) as tell:
            predictions_uri = storage.join(spec.output_uri, "predictions")
            count = rows.map(answer).write(predictions_uri)
            tell(1)
    report = PredictionReport(
        pipeline=definition.name,
        bundle_digest=spec.bundle_digest,
        dataset=spec.dataset,
        predictions_uri=predictions_uri,
        rows=count,
        engine=rows.engine,
        started_at=started_at,
        finished_at=utc_now(),
    )
    storage.write_bytes(storage.join(spec.output_uri, "report.json"), report.model_dump_json(indent=2).encode())
    return report


def main() -> int:
    """Run the job named on the command line."""
    spec = PredictionSpec.model_validate_json(storage.read_bytes(sys.argv[1]))
    try:
        report = predict(spec)
    except (BundleError, DataError) as error:
        sys.stderr.write(f"refused: {error}\n")
        return REFUSED_EXIT_CODE
    sys.stdout.write(f"{report.predictions_uri} {report.rows}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
