import json
import shutil
from pathlib import Path

import pytest

from contracts.archive import DATASET
from contracts.bundle import BundleFile, OptionalFile
from contracts.jobs import Engine
from contracts.pipeline import Column, ColumnRole, ColumnType, Objective
from everloop import storage
from everloop.bundle.manifest import BundleError, read_file, read_manifest, verify
from everloop.bundle.model import Model
from everloop.rebuild import DifferentEnvironmentError, RebuildError, rebuild
from everloop.storage import StorageError
from ray_jobs.environment import EnvironmentRefusedError, digest_of, installed
from ray_jobs.train import train
from ray_jobs.trainers import ParameterError
from services.registry.garbage.domain import Place
from services.registry.garbage.files import StoredFiles
from tests.jobs.parcels import Parcels, champion


@pytest.fixture
def parcels(tmp_path: Path) -> Parcels:
    return Parcels.make(tmp_path)


def test_a_run_leaves_a_verified_bundle_and_a_report(parcels: Parcels) -> None:
    report = train(parcels.spec())

    manifest = verify(report.bundle_uri, report.bundle_digest)
    assert {file.path for file in manifest.files} == {*BundleFile, OptionalFile.TREES, OptionalFile.IMPORTANCE}
    assert manifest.entry(BundleFile.MODEL).digest == report.model_digest
    assert manifest.lineage.dataset == parcels.dataset
    assert manifest.lineage.code_digest == parcels.code.digest == manifest.entry(BundleFile.CODE).digest
    assert report.engine is Engine.IN_PROCESS
    assert report.metrics["auc"] > 0.6
    assert report.metrics["latency_ms"] > 0
    assert report.train.rows + report.validation.rows + report.holdout.rows == 600
    last = json.loads(storage.read_bytes(f"{parcels.spec().output_uri}/progress.jsonl").splitlines()[-1])
    assert last["fraction"] == 1.0
    assert "| auc |" in storage.read_bytes(f"{report.bundle_uri}/card.md").decode()


def test_the_same_spec_gives_the_same_bundle(parcels: Parcels) -> None:
    first, second = train(parcels.spec("first")), train(parcels.spec("second"))

    assert second.model_digest == first.model_digest
    assert second.bundle_digest == first.bundle_digest


def test_another_seed_gives_another_model(parcels: Parcels) -> None:
    parameters = {**parcels.definition.trainer.parameters, "feature_fraction": 0.5, "learning_rate": 0.03}

    first = train(parcels.spec("first", parameters=parameters))
    second = train(parcels.spec("second", parameters=parameters, seed=18))

    assert second.model_digest != first.model_digest


def test_a_candidate_is_measured_beside_the_champion_on_the_same_rows(parcels: Parcels) -> None:
    first = train(parcels.spec("first"))

    second = train(parcels.spec("second", champion=champion(first)))

    assert second.champion_version == 1
    assert second.champion_metrics["auc"] == first.metrics["auc"] == second.metrics["auc"]
    assert first.champion_metrics == {}


def test_preparation_knows_nothing_of_newer_rows(parcels: Parcels) -> None:
    report = train(parcels.spec())
    shops = ["north"] * 420 + ["newer"] * 180
    changed = parcels.rows.set_column(parcels.rows.column_names.index("shop"), "shop", [shops])
    from deltalake import write_deltalake

    write_deltalake(str(parcels.home / "lake"), changed, mode="overwrite")
    again = train(parcels.spec("again"))

    vocabulary = json.loads(storage.read_bytes(f"{again.bundle_uri}/{BundleFile.PREPARATION}"))["columns"][0]["means"]
    assert again.train.rows == 420 == report.train.rows
    assert list(vocabulary) == ["north"]


def test_a_model_of_values_answers_in_the_labels_unit(parcels: Parcels) -> None:
    columns = [column for column in parcels.definition.dataset.columns if column.name not in ("late", "distance_km")]
    label = Column(name="distance_km", type=ColumnType.NUMBER, role=ColumnRole.LABEL)
    (parcels.folder / "pipeline.py").write_text(
        (parcels.folder / "pipeline.py")
        .read_text()
        .replace('            "distance_km": rows["distance_km"],\n', "")
        .replace('            "log_distance": pc.log1p(rows["distance_km"]),\n', "")
    )
    from contracts.training import CodeSnapshot
    from everloop.bundle.code import snapshot

    code = snapshot(parcels.folder)
    definition = parcels.definition.model_copy(
        update={
            "objective": Objective.REGRESSION,
            "dataset": parcels.definition.dataset.model_copy(update={"columns": (*columns, label)}),
        }
    )
    uri = storage.write_once(str(parcels.home / "code"), code, suffix=".zip")

    report = train(parcels.spec(definition=definition, code=CodeSnapshot(uri=uri, digest=storage.digest(code))))

    model = Model.load(report.bundle_uri, report.bundle_digest)
    assert {"rmse", "mae"} <= report.metrics.keys()
    assert model.predict({"shop": ["north", None][:1], "weight_kg": [1.0]})[0] == pytest.approx(200, abs=80)


def test_a_spec_pinned_to_other_software_is_refused_by_name(parcels: Parcels) -> None:
    here = installed()
    elsewhere = here.model_copy(update={"packages": {**here.packages, "numpy": "1.0"}})
    uri = str(parcels.home / "environment.json")
    storage.write_bytes(uri, elsewhere.model_dump_json().encode())

    with pytest.raises(EnvironmentRefusedError, match=r"numpy: 1\.0 expected"):
        train(parcels.spec(environment_digest=digest_of(elsewhere), environment_uri=uri))
    assert train(parcels.spec(environment_digest=digest_of(here))).metrics


def test_changed_code_is_refused(parcels: Parcels) -> None:
    storage.write_bytes(parcels.code.uri, b"other")

    with pytest.raises(BundleError, match="digest mismatch"):
        train(parcels.spec())


def test_an_unknown_parameter_is_refused(parcels: Parcels) -> None:
    with pytest.raises(ParameterError, match="unknown parameters leaves"):
        train(parcels.spec(parameters={"leaves": 3}))


def test_a_version_is_rebuilt_without_the_pipelines_working_copy(parcels: Parcels, tmp_path: Path) -> None:
    report = train(parcels.spec())
    shutil.rmtree(parcels.folder)
    shutil.rmtree(parcels.home / "code")

    rebuilt = rebuild(report.bundle_uri, report.bundle_digest, tmp_path / "again")

    assert rebuilt.identical
    assert rebuilt.bundle_digest == report.bundle_digest
    assert rebuilt.golden_difference == 0


async def test_a_version_is_rebuilt_from_what_is_left_of_it(parcels: Parcels, tmp_path: Path) -> None:
    report = train(parcels.spec())
    run = Path(report.bundle_uri).parent
    await StoredFiles(str(run.parent.parent)).erase(Place(f"runs/{run.name}", keep_record=True))
    with pytest.raises(StorageError, match="golden"):
        rebuild(report.bundle_uri, report.bundle_digest, tmp_path / "again")

    rebuilt = rebuild(report.bundle_uri, report.bundle_digest, tmp_path / "again", collected=True)

    assert rebuilt.identical
    assert rebuilt.bundle_digest == report.bundle_digest


def test_a_version_is_rebuilt_from_rows_that_came_with_it(parcels: Parcels, tmp_path: Path) -> None:
    """Where rows lie is no part of what they are: the bundle is the same although they were read elsewhere."""
    code = parcels.code.model_copy(update={"commit": "4b825dc", "modified": True})
    report = train(parcels.spec(code=code))
    shutil.rmtree(parcels.folder)
    (parcels.home / "lake").rename(parcels.home / "runs" / "elsewhere")
    with pytest.raises(RebuildError, match=r"there is no table at .*lake"):
        rebuild(report.bundle_uri, report.bundle_digest, tmp_path / "again")
    (parcels.home / "runs" / "elsewhere").rename(Path(report.bundle_uri).with_name(DATASET))

    rebuilt = rebuild(report.bundle_uri, report.bundle_digest, tmp_path / "again")

    assert rebuilt.identical
    assert rebuilt.bundle_digest == report.bundle_digest
    assert verify(rebuilt.bundle_uri, report.bundle_digest).lineage.modified
    assert "with changes that were not committed" in storage.read_bytes(f"{report.bundle_uri}/card.md").decode()


def test_a_rebuild_elsewhere_is_refused_unless_allowed(
    parcels: Parcels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = train(parcels.spec())
    here = installed()
    without = {name: version for name, version in here.packages.items() if name != "rich"}
    monkeypatch.setattr("ray_jobs.environment.installed", lambda: here.model_copy(update={"packages": without}))

    with pytest.raises(DifferentEnvironmentError, match=r"rich: .* expected, absent found"):
        rebuild(report.bundle_uri, report.bundle_digest, tmp_path / "refused")
    rebuilt = rebuild(report.bundle_uri, report.bundle_digest, tmp_path / "allowed", allow_different_environment=True)

    assert rebuilt.identical
    assert len(rebuilt.environment_differences) == 1


def test_a_harmed_bundle_is_not_loaded(parcels: Parcels) -> None:
    report = train(parcels.spec())
    manifest = read_manifest(report.bundle_uri, report.bundle_digest)
    harmed = read_file(report.bundle_uri, manifest, BundleFile.GOLDEN).replace(b"null", b"1.5", 1)
    storage.write_bytes(f"{report.bundle_uri}/{BundleFile.GOLDEN}", harmed)

    with pytest.raises(BundleError, match=r"golden\.json"):
        Model.load(report.bundle_uri, report.bundle_digest)
