from pathlib import Path

import numpy as np
import pytest

from contracts.bundle import AttributionUnit, BundleFile, ExplanationMethod
from contracts.gates import ChampionGate, CostGate, LeakageGate
from contracts.jobs import Engine
from contracts.pipeline import Promotion
from everloop import storage
from everloop.bundle.manifest import read_file, verify
from everloop.bundle.model import Model
from ray_jobs.train import train
from tests.jobs.parcels import Parcels, champion
from tests.jobs.running import running

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def parcels(tmp_path: Path) -> Parcels:
    (tmp_path / "runs").mkdir()
    return Parcels.make(tmp_path)


def test_ray_data_gives_the_bundle_that_this_process_gives(parcels: Parcels) -> None:
    gates = (
        ChampionGate(metric="auc", confidence=0.9),
        LeakageGate(),
        CostGate(false_positive=1, false_negative=2, at_most=1),
    )
    definition = parcels.definition.model_copy(update={"promotion": Promotion(gates=gates), "slices": ("shop",)})
    rival = champion(train(parcels.spec("rival", parameters={"num_leaves": 3}, definition=definition)))
    here = train(parcels.spec("here", definition=definition, champion=rival))

    with running(parcels.spec("there", definition=definition, champion=rival, engine=Engine.RAY_DATA)) as job:
        there = job.report()

    assert (here.engine, there.engine) == (Engine.IN_PROCESS, Engine.RAY_DATA)
    one, other = (verify(report.bundle_uri, report.bundle_digest) for report in (here, there))
    for name in BundleFile:
        assert read_file(here.bundle_uri, one, name) == read_file(there.bundle_uri, other, name), name
    assert there.bundle_digest == here.bundle_digest
    assert there.comparison
    assert there.comparison.differences[0].value != 0
    for name in ("comparison", "confusions", "leakage", "slices"):
        assert getattr(there, name) == getattr(here, name) != (), name


@pytest.mark.timeout(600)
def test_a_killed_worker_and_a_killed_job_go_on_from_the_last_epoch(parcels: Parcels) -> None:
    spec = parcels.torch_spec(workers=2, epochs=14, patience=14, batch_size=1, hidden="8")

    with running(spec) as job:
        job.until(lambda: 3 in job.epochs())
        job.kill_worker()
        before = len(job.epochs())
        job.until(lambda: len(job.epochs()) > before + 2)
        after_worker = job.epochs()[before:]
        job.kill()
        killed_at = len(job.epochs())
    with running(spec) as job:
        report = job.report()

    assert after_worker[0] >= 2
    assert job.epochs()[killed_at] >= after_worker[-1] - 1
    assert job.epochs()[-1] == 13
    model = Model.load(report.bundle_uri, report.bundle_digest)
    assert model.check_golden(1e-6) <= 1e-6


@pytest.mark.timeout(600)
def test_streamed_shards_train_a_network(parcels: Parcels) -> None:
    spec = parcels.torch_spec(workers=2, epochs=2, batch_size=32, hidden="8")

    with running(spec.model_copy(update={"engine": Engine.RAY_DATA})) as job:
        report = job.report()

    assert report.engine is Engine.RAY_DATA
    assert job.epochs() == [0, 1]
    model = Model.load(report.bundle_uri, report.bundle_digest)
    scores = model.predict_table(parcels.rows)
    assert np.all((scores > 0) & (scores < 1))
    asked = {column.name: parcels.rows[column.name].to_pylist()[:20] for column in model.definition.dataset.features}
    found = model.explain(asked)
    assert (found.method, found.unit) == (ExplanationMethod.SAMPLED_SHAPLEY, AttributionUnit.SCORE)
    np.testing.assert_allclose(found.base_value + found.values.sum(axis=1), model.predict(asked), rtol=0, atol=1e-9)
    assert "sampled Shapley values" in storage.read_bytes(f"{report.bundle_uri}/card.md").decode()
