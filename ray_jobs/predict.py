"""Predict: score every row of a dataset version with a model version, into a table and a file to look scores up in.

::

    python -m ray_jobs.predict /path/to/spec.json

A job that was killed is started again with the same spec: parts it has scored are found in the table's folder, and
the table's new version, committed at the end, is either there as a whole or not at all.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyarrow import parquet

from contracts.jobs import REFUSED_EXIT_CODE, Engine, LookupReport, PredictionReport, PredictionSpec
from contracts.message import utc_now
from contracts.model import Uri
from contracts.pipeline import PipelineDefinition
from contracts.telemetry import DATASET_VERSION, PIPELINE
from everloop import storage
from everloop.bundle.manifest import BundleError
from everloop.bundle.model import Model
from everloop.bundle.rows import SCORE
from everloop.lookup import KeyColumn, LookupWriter, NewRow, key_text
from ray_jobs import cluster, predictions
from ray_jobs.dataset import DataError
from ray_jobs.parts import Part, cut
from ray_jobs.predictions import COMPUTED_AT, PartScorer, ScoredPart
from ray_jobs.progress import Stages
from ray_jobs.telemetry import tracing


def predict(spec: PredictionSpec) -> PredictionReport:
    """Carry out a prediction spec; labels are neither needed nor looked at.

    Raises:
        BundleError: The bundle is not what its digest says.
        DataError: The dataset can't be read as the model's contract says, or has another number of rows than it should.
        StorageError: Something can't be read or written.
    """
    started_at = utc_now()
    definition = Model.load(spec.bundle_uri, spec.bundle_digest).definition
    attributes: dict[str, str | int] = {PIPELINE: definition.name, DATASET_VERSION: spec.dataset.version}
    with tracing("predict", attributes) as spans:
        stages = Stages(storage.join(spec.output_uri, "progress.jsonl"), spans)
        with stages.stage("read", 0.0, 0.05):
            parts = _parts(spec)
            rows = sum(part.rows for part in parts)
            key = _key(spec, definition)
        with stages.stage("predict", 0.05, 0.7) as tell:
            engine = _engine(spec, rows)
            scored: list[ScoredPart] = []
            for one in _on_cluster(spec, parts) if engine is Engine.RAY_DATA else _here(spec, parts):
                scored.append(one)
                tell(len(scored) / len(parts))
            if (written := sum(one.rows for one in scored)) != rows:
                raise DataError(f"{written} rows were scored, and there are {rows}")
        with stages.stage("lookup", 0.7, 0.95):
            lookup = _write_lookup(spec, definition, key, scored)
        with stages.stage("commit", 0.95, 1.0) as tell:
            delta_version = predictions.commit(spec, definition, scored)
            tell(1)
    report = PredictionReport(
        precomputation_id=spec.precomputation_id,
        pipeline=definition.name,
        version=spec.version,
        bundle_digest=spec.bundle_digest,
        dataset=spec.dataset,
        table_uri=spec.table_uri,
        delta_version=delta_version,
        rows=rows,
        resumed_rows=sum(one.rows for one in scored if one.resumed),
        lookup=lookup,
        engine=engine,
        stages_s=stages.seconds,
        started_at=started_at,
        finished_at=utc_now(),
    )
    storage.write_bytes(storage.join(spec.output_uri, "report.json"), report.model_dump_json(indent=2).encode())
    return report


def _parts(spec: PredictionSpec) -> list[Part]:
    from deltalake import DeltaTable

    table = DeltaTable(spec.dataset.table_uri, version=spec.dataset.delta_version)
    parts = cut(sorted(table.file_uris()))
    rows = sum(part.rows for part in parts)
    expected = {table.count(), rows if spec.rows is None else spec.rows}
    if expected != {rows}:
        raise DataError(f"the files of the dataset version hold {rows} rows, expected {sorted(expected - {rows})}")
    return parts


def _key(spec: PredictionSpec, definition: PipelineDefinition) -> tuple[KeyColumn, ...]:
    types = {column.name: column.type for column in definition.dataset.columns}
    if unknown := [name for name in spec.key if name not in types]:
        raise DataError(f"the version's dataset has no column {', '.join(unknown)} to look rows up by")
    return tuple(KeyColumn(name=name, type=types[name]) for name in spec.key)


def _engine(spec: PredictionSpec, rows: int) -> Engine:
    if spec.engine is not Engine.AUTO:
        return spec.engine
    return Engine.RAY_DATA if rows > spec.in_process_max_rows else Engine.IN_PROCESS


def _here(spec: PredictionSpec, parts: Sequence[Part]) -> Iterator[ScoredPart]:
    return map(PartScorer(spec), parts)


def _on_cluster(spec: PredictionSpec, parts: Sequence[Part]) -> Iterator[ScoredPart]:
    cluster.connect()
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    # A block per part, so that a worker that is done takes the next one.
    items = ray.data.from_items([{"part": part.model_dump_json()} for part in parts], override_num_blocks=len(parts))
    workers = ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, int(ray.cluster_resources().get("CPU", 1))))
    scored = items.map(predictions.ItemScorer, fn_constructor_args=(spec.model_dump_json(),), compute=workers)
    found = [ScoredPart.model_validate_json(row["scored"]) for row in scored.iter_rows()]
    return iter(sorted(found, key=lambda one: one.first_row))


def _write_lookup(
    spec: PredictionSpec, definition: PipelineDefinition, key: tuple[KeyColumn, ...], scored: Sequence[ScoredPart]
) -> LookupReport:
    uri = storage.join(spec.output_uri, "lookup.sqlite")
    with TemporaryDirectory(prefix="everloop-lookup-") as directory:
        path = Path(directory) / "lookup.sqlite"
        writer = LookupWriter(path)
        try:
            for one in scored:
                writer.add(_keyed(spec, definition, one))
            about = writer.finish(
                precomputation_id=spec.precomputation_id,
                pipeline=definition.name,
                version=spec.version,
                dataset_version=spec.dataset.version,
                key=key,
                computed_at=utc_now(),
            )
        finally:
            writer.close()
        storage.put_file(path, uri)
        return LookupReport(
            uri=uri,
            digest=storage.digest_file(path),
            size_bytes=path.stat().st_size,
            keys=about.keys,
            duplicates=about.duplicates,
            without_key=about.without_key,
        )


def _keyed(spec: PredictionSpec, definition: PipelineDefinition, part: ScoredPart) -> Iterator[NewRow]:
    time = definition.dataset.event_time.name
    rows = _read(storage.join(spec.table_uri, part.file), [*spec.key, time, SCORE, COMPUTED_AT])
    keys = map(key_text, zip(*(rows[name].to_pylist() for name in spec.key), strict=True))
    times = (rows[name].cast(pa.int64()).to_pylist() for name in (time, COMPUTED_AT))
    return zip(keys, rows[SCORE].to_pylist(), *times, range(part.first_row, part.first_row + part.rows), strict=True)


def _read(uri: Uri, columns: list[str]) -> pa.Table:
    return parquet.read_table(pa.BufferReader(storage.read_bytes(uri)), columns=list(dict.fromkeys(columns)))


def main() -> int:
    """Run the job named on the command line."""
    spec = PredictionSpec.model_validate_json(storage.read_bytes(sys.argv[1]))
    try:
        report = predict(spec)
    except (BundleError, DataError) as error:
        sys.stderr.write(f"refused: {error}\n")
        return REFUSED_EXIT_CODE
    sys.stdout.write(f"{report.rows} rows, {report.lookup.keys} keys: {report.lookup.uri}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
