"""Batch prediction: every row once, the same in one process and on a cluster, going on where it was killed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from contracts.jobs import Engine, PredictionReport, PredictionSpec
from contracts.message import utc_now
from contracts.precompute import Precompute
from everloop import storage
from everloop.bundle.model import Model
from everloop.lookup import Lookup
from ray_jobs import parts, predictions
from ray_jobs.dataset import DataError
from ray_jobs.predict import predict
from ray_jobs.predictions import PartScorer
from ray_jobs.train import train
from services.chassis.subscriptions import Cause
from services.serving.precompute.domain import Precomputation
from services.serving.precompute.files import StoredPredictionFiles
from tests.jobs.parcels import Parcels

ID = UUID("aaaaaaaa-0000-4000-8000-000000000001")


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Parcels:
    return Parcels.make(tmp_path_factory.mktemp("parcels"))


@pytest.fixture(scope="module")
def trained(parcels: Parcels) -> tuple[str, str]:
    report = train(parcels.spec())
    return report.bundle_uri, report.bundle_digest


@pytest.fixture
def spec(parcels: Parcels, trained: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PredictionSpec:
    """The rows in six files, two of which make a part."""
    write_deltalake(str(tmp_path / "lake"), parcels.rows.slice(0, 100))
    for start in range(100, 600, 100):
        write_deltalake(str(tmp_path / "lake"), parcels.rows.slice(start, 100), mode="append")
    monkeypatch.setattr("ray_jobs.predict.cut", lambda files: parts.cut(files, most_rows=250))
    dataset = parcels.dataset.model_copy(update={"table_uri": str(tmp_path / "lake"), "delta_version": 5})
    return PredictionSpec(
        precomputation_id=ID,
        version=3,
        bundle_uri=trained[0],
        bundle_digest=trained[1],
        dataset=dataset,
        rows=600,
        key=("parcel_id",),
        table_uri=str(tmp_path / "table"),
        output_uri=str(tmp_path / "out"),
    )


def precomputation(spec: PredictionSpec) -> Precomputation:
    """Give what serving knows of a precomputation that is given such a spec."""
    return Precomputation(
        id=spec.precomputation_id,
        pipeline="parcels",
        version=spec.version,
        bundle_uri=spec.bundle_uri,
        bundle_digest=spec.bundle_digest,
        dataset=spec.dataset,
        rows=600,
        key=spec.key,
        rules=Precompute(key=spec.key),
        cause=Cause("promotion", "promotion", utc_now(), utc_now()),
        requested_by="ada",
        reason="a test",
        requested_at=utc_now(),
    )


def sizes(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_size for file in folder.glob("precomputed/**/*") if file.is_file()}


def table_of(report: PredictionReport) -> pa.Table:
    return DeltaTable(report.table_uri, version=report.delta_version).to_pyarrow_table().sort_by("parcel_id")


def test_every_row_is_in_the_table_once_with_the_score_it_gets_online(
    spec: PredictionSpec, parcels: Parcels, trained: tuple[str, str]
) -> None:
    report = predict(spec)

    table, rows = table_of(report), parcels.rows.sort_by("parcel_id")
    assert report.rows == table.num_rows == 600
    assert table.column_names == [
        *("parcel_id", "sent_at", "score", "prediction_id", "model_version", "dataset_version", "computed_at")
    ]
    assert len(set(table["prediction_id"].to_pylist())) == 600
    assert set(table["model_version"].to_pylist()) == {3}
    model = Model.load(*trained)
    features = [column.name for column in model.definition.dataset.features]
    online = [model.predict({name: [row[name]] for name in features})[0] for row in rows.to_pylist()]
    np.testing.assert_array_equal(table["score"].to_numpy(), online)


def test_what_is_looked_up_is_what_the_table_holds(spec: PredictionSpec, tmp_path: Path) -> None:
    report = predict(spec)

    assert report.lookup.digest == storage.digest_file(Path(report.lookup.uri))
    assert (report.lookup.keys, report.lookup.duplicates, report.lookup.without_key) == (600, 0, 0)
    lookup = Lookup.open(Path(report.lookup.uri))
    for row in table_of(report).to_pylist():
        found = lookup.get(lookup.key_of(row["parcel_id"]))
        assert found is not None
        assert (found.score, found.event_time, found.computed_at) == (row["score"], row["sent_at"], row["computed_at"])
        assert f"{lookup.about.precomputation_id.hex}-{found.number}" == row["prediction_id"]
    lookup.close()


@pytest.mark.parametrize("dies_after", [0, 1, 2])
def test_a_job_killed_between_parts_scores_only_what_is_left(
    spec: PredictionSpec, monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    asked = []
    score = PartScorer._predict

    def counted(self: PartScorer, part: parts.Part) -> pa.Table:
        if len(asked) == dies_after:
            raise KeyboardInterrupt
        asked.append(part.number)
        return score(self, part)

    monkeypatch.setattr(PartScorer, "_predict", counted)
    with pytest.raises(KeyboardInterrupt):
        predict(spec)
    assert not DeltaTable.is_deltatable(spec.table_uri)
    monkeypatch.setattr(PartScorer, "_predict", lambda self, part: (asked.append(part.number), score(self, part))[1])

    report = predict(spec)

    assert sorted(asked) == [0, 1, 2]
    assert report.resumed_rows == 200 * dies_after
    assert table_of(report).num_rows == 600


def test_a_job_killed_after_the_commit_commits_nothing_twice(
    spec: PredictionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = predictions.commit

    def die(*args: object) -> NoReturn:
        commit(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(predictions, "commit", die)
    with pytest.raises(KeyboardInterrupt):
        predict(spec)
    monkeypatch.setattr(predictions, "commit", commit)

    report = predict(spec)

    assert report.delta_version == 0 == DeltaTable(spec.table_uri).version()
    assert report.rows == report.resumed_rows == 600


def test_each_precomputation_is_a_version_of_one_table(spec: PredictionSpec) -> None:
    first = predict(spec)
    second = predict(
        spec.model_copy(update={"precomputation_id": UUID(int=2), "version": 4, "key": ("parcel_id", "sent_at")})
    )

    assert (first.delta_version, second.delta_version) == (0, 1)
    assert set(table_of(first)["model_version"].to_pylist()) == {3}
    assert set(table_of(second)["model_version"].to_pylist()) == {4}
    assert table_of(second).num_rows == 600


async def test_deleting_a_former_precomputation_leaves_the_newest_whole(spec: PredictionSpec, tmp_path: Path) -> None:
    files, former = StoredPredictionFiles(str(tmp_path)), precomputation(spec)
    newest = former.model_copy(update={"id": UUID(int=2)})
    assert await files.in_table("parcels") == frozenset()
    specs = [one.specify(f"{tmp_path}/precomputed/parcels") for one in (former, newest)]
    old, new = map(predict, specs)
    before = sizes(tmp_path)

    freed = [await files.delete(former), await files.delete(former)]

    after = sizes(tmp_path)
    assert await files.in_table("parcels") == {newest.id}
    assert freed == [sum(before.values()) - sum(after.values()), 0]
    assert freed[0] > old.lookup.size_bytes
    assert not [path for path in after if str(former.id) in path]
    assert DeltaTable(new.table_uri).to_pyarrow_table().num_rows == 600
    assert storage.digest_file(Path(new.lookup.uri)) == new.lookup.digest


def test_another_number_of_rows_than_announced_is_refused(spec: PredictionSpec) -> None:
    with pytest.raises(DataError, match=r"hold 600 rows, expected \[599\]"):
        predict(spec.model_copy(update={"rows": 599}))

    assert not DeltaTable.is_deltatable(spec.table_uri)


def test_of_rows_with_one_key_the_last_to_happen_is_looked_up(spec: PredictionSpec, parcels: Parcels) -> None:
    report = predict(spec.model_copy(update={"key": ("shop",)}))

    assert report.rows == 600
    assert report.lookup.keys + report.lookup.duplicates == 600
    assert report.lookup.keys < 10
    lookup = Lookup.open(Path(report.lookup.uri))
    newest = max(parcels.rows.to_pylist(), key=lambda row: row["sent_at"])
    found = lookup.get(lookup.key_of(newest["shop"]))
    assert found is not None
    assert found.event_time == newest["sent_at"]
    lookup.close()


@pytest.mark.ray
def test_a_cluster_predicts_what_one_process_does(spec: PredictionSpec) -> None:
    here = predict(spec)
    elsewhere = {"precomputation_id": UUID(int=2), "in_process_max_rows": 599, "output_uri": f"{spec.output_uri}-there"}
    spec = spec.model_copy(update=elsewhere)
    storage.write_bytes(f"{spec.output_uri}/spec.json", spec.model_dump_json().encode())
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}

    # A process of its own: a Ray that this one started would outlive the test.
    done = subprocess.run(
        [sys.executable, "-m", "ray_jobs.predict", f"{spec.output_uri}/spec.json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    there = PredictionReport.model_validate_json(storage.read_bytes(f"{spec.output_uri}/report.json"))
    assert (here.engine, there.engine) == (Engine.IN_PROCESS, Engine.RAY_DATA)
    same = ["parcel_id", "sent_at", "score", "model_version", "dataset_version"]
    assert table_of(there).select(same).equals(table_of(here).select(same))
    assert there.lookup.keys == here.lookup.keys
