"""The table of a pipeline's predictions: parts are written beside it, and join it together in one commit."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from contracts.jobs import PredictionSpec
from contracts.message import utc_now
from contracts.model import Contract
from contracts.pipeline import PipelineDefinition
from everloop import storage
from everloop.bundle.model import Model
from everloop.bundle.rows import SCORE, arrow_schema, arrow_type
from ray_jobs.dataset import DataError
from ray_jobs.parts import Part, read

PREDICTION_ID = "prediction_id"
MODEL_VERSION = "model_version"
DATASET_VERSION = "dataset_version"
COMPUTED_AT = "computed_at"
COMMITTED_BY = "everloop.precomputation"
"""Name under which the table's history says which spec made a version."""


class ScoredPart(Contract):
    """A part's predictions: one Parquet file in the table's folder."""

    file: str
    first_row: int
    rows: int
    size_bytes: int
    resumed: bool = False


class PartScorer:
    """Scores parts with one version, loaded and verified once; a part that is scored already is left as it is."""

    def __init__(self, spec: PredictionSpec) -> None:
        self._spec = spec
        self._model = Model.load(spec.bundle_uri, spec.bundle_digest)
        self._schema = schema_of(spec, self._model.definition)

    def __call__(self, part: Part) -> ScoredPart:
        """Score a part.

        Raises:
            DataError: The model gives no number for a row, or the rows are not what its contract says.
        """
        file = _file_name(self._spec, part)
        uri = storage.join(self._spec.table_uri, file)
        resumed = storage.exists(uri)
        if not resumed:
            sink = pa.BufferOutputStream()
            parquet.write_table(self._predict(part), sink)
            storage.write_bytes(uri, sink.getvalue().to_pybytes())
        written = storage.read_bytes(uri)
        rows = parquet.read_metadata(pa.BufferReader(written)).num_rows
        return ScoredPart(file=file, first_row=part.first_row, rows=rows, size_bytes=len(written), resumed=resumed)

    def _predict(self, part: Part) -> pa.Table:
        spec, dataset = self._spec, self._model.definition.dataset
        try:
            rows = read(part, arrow_schema(dataset))
        except pa.ArrowException as error:
            raise DataError(f"the dataset is not what the version was trained for: {error}") from error
        scores = self._model.predict_table(rows)
        if faulty := int(np.count_nonzero(~np.isfinite(scores))):
            raise DataError(f"version {spec.version} gives no number for {faulty} of {rows.num_rows} rows")
        computed_at = pa.scalar(utc_now(), self._schema.field(COMPUTED_AT).type)
        numbers = pa.array(range(part.first_row, part.first_row + rows.num_rows), pa.int64())
        made = {
            SCORE: pa.array(scores),
            PREDICTION_ID: pc.binary_join_element_wise(f"{spec.precomputation_id.hex}-", numbers.cast(pa.string()), ""),
            MODEL_VERSION: pa.repeat(pa.scalar(spec.version, pa.int64()), rows.num_rows),
            DATASET_VERSION: pa.repeat(pa.scalar(spec.dataset.version, pa.int64()), rows.num_rows),
            COMPUTED_AT: pa.repeat(computed_at, rows.num_rows),
        }
        columns = [made[name] if name in made else rows[name] for name in self._schema.names]
        return pa.table(columns, schema=self._schema)


class ItemScorer:
    """A part scorer as Ray Data has it: made once per worker, given and giving rows of JSON."""

    def __init__(self, spec: str) -> None:
        self._score = PartScorer(PredictionSpec.model_validate_json(spec))

    def __call__(self, item: dict[str, str]) -> dict[str, str]:
        """Score the part in a row."""
        return {"scored": self._score(Part.model_validate_json(item["part"])).model_dump_json()}


def schema_of(spec: PredictionSpec, definition: PipelineDefinition) -> pa.Schema:
    """Give the table's columns: the key, the event time, and what was computed.

    Raises:
        DataError: A column of the dataset has the name of a computed one.
    """
    types = {column.name: arrow_type(column.type) for column in definition.dataset.columns}
    kept = list(dict.fromkeys([*spec.key, definition.dataset.event_time.name]))
    computed = {
        SCORE: pa.float64(),
        PREDICTION_ID: pa.string(),
        MODEL_VERSION: pa.int64(),
        DATASET_VERSION: pa.int64(),
        COMPUTED_AT: pa.timestamp("us", tz="UTC"),
    }
    if taken := sorted(set(kept) & set(computed)):
        raise DataError(f"a key or event time can't be named {', '.join(taken)}: predictions have such a column")
    return pa.schema([*((name, types[name]) for name in kept), *computed.items()])


def commit(spec: PredictionSpec, definition: PipelineDefinition, parts: list[ScoredPart]) -> int:
    """Make the parts the table's newest version, once: a spec that has its version is given that one.

    Returns:
        The table's version.
    """
    from deltalake import CommitProperties, DeltaTable, Schema, Transaction
    from deltalake.transaction import AddAction, create_table_with_add_actions

    made_by = str(spec.precomputation_id)
    properties = CommitProperties(custom_metadata={COMMITTED_BY: made_by}, app_transactions=[Transaction(made_by, 1)])
    at_ms = int(utc_now().timestamp() * 1000)
    adds = [
        AddAction(part.file, part.size_bytes, {}, at_ms, True, json.dumps({"numRecords": part.rows})) for part in parts
    ]
    schema = Schema.from_arrow(schema_of(spec, definition))
    if not DeltaTable.is_deltatable(spec.table_uri):
        create_table_with_add_actions(
            spec.table_uri, schema, adds, mode="error", name=definition.name, commit_properties=properties
        )
    table = DeltaTable(spec.table_uri)
    if table.transaction_version(made_by) is None:
        table.create_write_transaction(adds, "overwrite", schema, commit_properties=properties)
    versions = [
        entry["version"] for entry in DeltaTable(spec.table_uri).history() if entry.get(COMMITTED_BY) == made_by
    ]
    return int(versions[0])


def _file_name(spec: PredictionSpec, part: Part) -> str:
    # Named by what went in: another bundle, dataset or cut never finds this part.
    inputs = f"{spec.bundle_digest} {spec.dataset.model_dump_json()} {spec.key} {part.model_dump_json()}"
    return f"{spec.precomputation_id}-{part.number:05d}-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}.parquet"
