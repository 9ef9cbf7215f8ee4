"""Train: a spec in; a bundle and a report out.

Runs wherever the spec's URIs can be reached, with neither bus nor database::

    python -m ray_jobs.train /path/to/spec.json
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from contracts.bundle import BundleFile, Environment, Lineage
from contracts.gates import AbsoluteGate, ChampionGate
from contracts.jobs import REFUSED_EXIT_CODE, TrainingReport, TrainingSpec
from contracts.message import utc_now
from contracts.telemetry import DATASET_VERSION, PIPELINE, RUN_ID
from everloop import storage
from everloop.bundle import code as snapshots
from everloop.bundle.manifest import BundleError, canonical, write_bundle
from everloop.bundle.model import Model, Scorer
from everloop.bundle.preparation import Preparer, numbers
from everloop.bundle.rows import signature_of
from everloop.sdk import Features
from ray_jobs import environment, explanations, golden, trainers
from ray_jobs.card import write_card
from ray_jobs.dataset import DataError, read, split
from ray_jobs.evaluate import evaluate, evaluate_blocks, evaluate_slices, score
from ray_jobs.fitting import LABEL, fit_preparation
from ray_jobs.gates import asks_for_leakage, compare, confusions, metrics_named, running_costs
from ray_jobs.leakage import find_leakage
from ray_jobs.profile import make_reference
from ray_jobs.progress import Stages
from ray_jobs.rows import InProcessRows
from ray_jobs.telemetry import tracing


def train(spec: TrainingSpec) -> TrainingReport:
    """Carry out a training spec.

    Raises:
        BundleError: The code is not what the spec says, or does not import.
        DataError: The dataset can't be trained on.
        EnvironmentRefusedError: The spec is pinned to other software.
        ParameterError: The trainer does not take a parameter.
        StorageError: Something can't be read or written.
    """
    attributes: dict[str, str | int] = {
        RUN_ID: str(spec.run_id),
        PIPELINE: spec.definition.name,
        DATASET_VERSION: spec.dataset.version,
    }
    with tracing("train", attributes) as spans:
        return _train(spec, Stages(storage.join(spec.output_uri, "progress.jsonl"), spans))


def _train(spec: TrainingSpec, stages: Stages) -> TrainingReport:
    started_at = utc_now()
    definition, dataset = spec.definition, spec.definition.dataset
    names = [column.name for column in dataset.features]
    gates = definition.promotion.gates

    with stages.stage("start", 0.0, 0.1):
        software = _accepted(spec)
        code = _code(spec)
        features = _features(code)
        trainer = trainers.named(definition.trainer)
        encoding = trainer.encoding(spec.parameters)

    with stages.stage("read", 0.1, 0.25):
        rows = read(spec.dataset, dataset, spec.engine)
        splits = split(rows, dataset, definition.split)

    with stages.stage("prepare", 0.25, 0.35):

        def featured(batch: pa.Table) -> pa.Table:
            return features(batch.select(names)).append_column(LABEL, pa.array(numbers(batch[dataset.label.name])))

        train_features = splits.train.rows.map(featured)
        preparation = fit_preparation(train_features, encoding)
        prepare = Preparer(preparation)

        def examples(batch: pa.Table) -> pa.Table:
            return trainers.examples(prepare(batch), batch[LABEL].to_numpy())

        train_examples = train_features.map(examples)
        validation_examples = splits.validation.rows.map(featured).map(examples)

    with stages.stage("fit", 0.35, 0.75) as tell:
        task = trainers.Task(
            objective=definition.objective,
            preparation=preparation,
            parameters=spec.parameters,
            seed=spec.seed,
            resources=definition.trainer,
            checkpoints_uri=storage.join(spec.output_uri, "checkpoints"),
            say=tell,
        )
        fitted = trainer.fit(train_examples, validation_examples, task)
        scorer = Scorer(features, preparation, fitted.model)

    with stages.stage("evaluate", 0.75, 0.85):
        keep = (dataset.event_time.name, dataset.label.name, *definition.slices)
        holdout = score(splits.holdout.rows, scorer, dataset, keep)
        metrics = evaluate(holdout, definition)
        slices = evaluate_slices(holdout, definition)
        requests = golden.choose(splits.holdout.rows, dataset)
        answers = golden.ask(requests, scorer, dataset)
        leakage = find_leakage(splits, dataset, featured) if asks_for_leakage(gates) else None
        champion_metrics, comparison = {}, None
        if rival := spec.champion:
            champion = Model.load(rival.bundle_uri, rival.bundle_digest)
            rivals = score(splits.holdout.rows, champion.predict_table, dataset, keep)
            signatures = signature_of(dataset), champion.manifest.signature
            comparison = compare(holdout, rivals, signatures, definition, seed=spec.seed)
            champion_metrics = {
                **evaluate(rivals, definition),
                "size_bytes": float(champion.manifest.entry(BundleFile.MODEL).size_bytes),
                **running_costs(
                    metrics_named(gates, ChampionGate),
                    champion.predict_table,
                    requests.select(names),
                    rival.bundle_uri,
                    rival.bundle_digest,
                ),
            }

    with stages.stage("describe", 0.85, 0.95):
        validation = score(splits.validation.rows, scorer, dataset, keep)
        unseen = pa.concat_tables([validation, holdout])
        blocks = evaluate_blocks(unseen, definition)
        reference = make_reference(rows, InProcessRows(unseen), definition, metrics, blocks)
        explained = explanations.explain(fitted, scorer, splits, answers, definition, preparation)
        lineage = Lineage(
            run_id=spec.run_id,
            dataset=spec.dataset,
            code_digest=spec.code.digest,
            commit=spec.code.commit,
            modified=spec.code.modified if spec.code.commit else None,
            environment_digest=environment.digest_of(software),
            parameters=spec.parameters,
            seed=spec.seed,
        )
        parts = {name: getattr(splits, name).report for name in ("train", "validation", "holdout")}
        measured = {**metrics, "size_bytes": float(len(fitted.model))}

    with stages.stage("write", 0.95, 1.0) as tell:
        bundle_uri = storage.join(spec.output_uri, "bundle")
        bundle_digest = write_bundle(
            bundle_uri,
            {
                BundleFile.MODEL: fitted.model,
                BundleFile.PREPARATION: canonical(preparation),
                BundleFile.REFERENCE: canonical(reference),
                BundleFile.GOLDEN: canonical(answers),
                BundleFile.METRICS: _metrics_file(measured, slices),
                BundleFile.ENVIRONMENT: canonical(software),
                BundleFile.DEFINITION: canonical(definition),
                BundleFile.CODE: code,
                BundleFile.CARD: write_card(definition, lineage, parts, metrics, slices, explained.importance).encode(),
                **explained.files,
            },
            definition=definition,
            signature=signature_of(dataset),
            lineage=lineage,
        )

    asked = {"latency_ms"} | metrics_named(gates, AbsoluteGate) | metrics_named(gates, ChampionGate)
    costs = running_costs(asked, scorer, requests.select(names), bundle_uri, bundle_digest)
    report = TrainingReport(
        run_id=spec.run_id,
        pipeline=definition.name,
        bundle_uri=bundle_uri,
        bundle_digest=bundle_digest,
        model_digest=storage.digest(fitted.model),
        metrics={**measured, **costs},
        champion_version=spec.champion.version if spec.champion else None,
        champion_metrics=champion_metrics,
        slices=slices,
        comparison=comparison,
        confusions=confusions(holdout, definition),
        leakage=leakage,
        train=splits.train.report,
        validation=splits.validation.report,
        holdout=splits.holdout.report,
        engine=rows.engine,
        device=fitted.device,
        stages_s=stages.seconds,
        started_at=started_at,
        finished_at=utc_now(),
    )
    storage.write_bytes(storage.join(spec.output_uri, "report.json"), report.model_dump_json(indent=2).encode())
    tell(1, metrics)
    return report


def _accepted(spec: TrainingSpec) -> Environment:
    """Look at this environment, and refuse it where the spec is pinned to another."""
    found = environment.installed()
    if spec.environment_digest in (None, environment.digest_of(found)):
        return found
    detail = f"expected {spec.environment_digest}, found {environment.digest_of(found)}"
    if spec.environment_uri:
        expected = Environment.model_validate_json(storage.read_bytes(spec.environment_uri))
        detail = "; ".join(environment.differences(expected, found))
    raise environment.EnvironmentRefusedError(f"the environment differs from the one asked for: {detail}")


def _code(spec: TrainingSpec) -> bytes:
    code = storage.read_bytes(spec.code.uri)
    if (found := storage.digest(code)) != spec.code.digest:
        raise BundleError("digest_mismatch", f"the code at {spec.code.uri} is {found}, expected {spec.code.digest}")
    return code


def _features(code: bytes) -> Features:
    with TemporaryDirectory(prefix="everloop-code-") as directory:
        snapshots.unpack(code, Path(directory))
        return snapshots.load_pipeline(Path(directory) / snapshots.PIPELINE).features


def _metrics_file(metrics: dict[str, float], slices: tuple[object, ...]) -> bytes:
    parts = [part.model_dump(mode="json") for part in slices]  # type: ignore[attr-defined]
    return (json.dumps({"metrics": metrics, "slices": parts}, sort_keys=True, indent=2) + "\n").encode()


def main() -> int:
    """Run the job named on the command line."""
    spec = TrainingSpec.model_validate_json(storage.read_bytes(sys.argv[1]))
    try:
        report = train(spec)
    except (BundleError, DataError, trainers.ParameterError, environment.EnvironmentRefusedError) as error:
        sys.stderr.write(f"refused: {error}\n")
        return REFUSED_EXIT_CODE
    sys.stdout.write(f"{report.bundle_uri} {report.bundle_digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
