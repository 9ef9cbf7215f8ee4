"""One valid example of every message, telling one story: a model of late flights."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts import (
    alerts,
    inference,
    ingestion,
    logged_models,
    monitoring,
    precompute,
    registered_models,
    registry,
    serving,
    tracking,
    training,
)
from contracts.bundle import DatasetRef, Lineage
from contracts.message import Message
from contracts.pipeline import (
    AbsoluteGate,
    ChampionGate,
    Column,
    ColumnRole,
    ColumnType,
    DatasetContract,
    Gate,
    PipelineDefinition,
    Policy,
    Promotion,
    Trainer,
    TrainerName,
    TriggerKind,
)

PIPELINE = "flight_delays"
RUN = UUID("6f2d1a70-58b8-4c25-9d0e-0c8f2f7f9a01")
ROLLOUT = UUID("0a1c7d6e-4f1e-4c93-8a57-2f3f5b6f7c02")
PRECOMPUTATION = UUID("5d0be1f2-7c64-4b0f-9d51-3c1e8a6f4d03")
ALERT = UUID("1f6b2f0e-6a55-4f0a-9a53-7f0c2d9e4b05")
MLFLOW_RUN = RUN.hex
COLLECTED = {"collected_by": "ada", "reason": "nobody asked for it in a year"}
EXPERIMENT = "1"
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
RUN_URI = f"/srv/everloop/store/runs/{RUN}"
GATES = (AbsoluteGate(metric="auc", at_least=0.6), ChampionGate(metric="auc", margin=0.002))


def digest(letter: str) -> str:
    """Make a digest of one repeated hex digit."""
    return f"sha256:{letter * 64}"


def definition(
    *, gates: tuple[Gate, ...] = GATES, policy: Policy = Policy.AUTO, **promotion: Any
) -> PipelineDefinition:
    """Declare a small pipeline."""
    columns = (
        Column(name="scheduled_at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
        Column(name="carrier", type=ColumnType.STRING, categories=("AA", "UA")),
        Column(name="distance", type=ColumnType.NUMBER, minimum=0, description="Miles flown."),
        Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL, nullable=True),
    )
    return PipelineDefinition(
        name=PIPELINE,
        description="Will this flight arrive late?",
        dataset=DatasetContract(columns=columns, unique=("scheduled_at", "carrier"), min_rows=10),
        trainer=Trainer(name=TrainerName.LIGHTGBM, parameters={"num_leaves": 31}),
        promotion=Promotion(gates=gates, policy=policy, **promotion),
    )


def code() -> training.CodeSnapshot:
    """Name a code snapshot."""
    return training.CodeSnapshot(uri="/srv/everloop/store/code/c.zip", digest=digest("c"), commit="4b825dc")


def cause() -> training.Cause:
    """Say why a run exists."""
    return training.Cause(kind=TriggerKind.DRIFT, message_id="9d3f", as_of=NOON, reason="wind drifted")


def lineage() -> Lineage:
    """Say where a version came from."""
    dataset = DatasetRef(version=3, digest=digest("d"), table_uri="/srv/everloop/store/lake/flights", delta_version=2)
    return Lineage(
        run_id=RUN,
        dataset=dataset,
        code_digest=digest("c"),
        environment_digest=digest("e"),
        parameters={"num_leaves": 31},
        seed=17,
    )


def training_run_succeeded(**changes: Any) -> training.TrainingRunSucceeded:
    """Say that the run of the story succeeded."""
    content: dict[str, Any] = {
        "pipeline": PIPELINE,
        "run_id": RUN,
        "report_uri": f"{RUN_URI}/report.json",
        "report_digest": digest("a"),
        "bundle_uri": f"{RUN_URI}/bundle",
        "bundle_digest": digest("b"),
        "dataset_version": 3,
        "metrics": {"auc": 0.71},
        "duration_s": 9.5,
    }
    return training.TrainingRunSucceeded(**(content | changes))


def _ingestion() -> list[Message]:
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


def _training() -> list[Message]:
    return [
        training.RegisterPipeline(pipeline=PIPELINE, definition=definition(), code=code()),
        training.PipelineRegistered(pipeline=PIPELINE, definition=definition(), code=code()),
        training.StartTrainingRun(
            pipeline=PIPELINE, reason="new feature", requested_by="ada", parameters={"num_leaves": 63}, seed=5
        ),
        training.ApproveTrainingRun(pipeline=PIPELINE, run_id=RUN, approved_by="ada"),
        training.CancelTrainingRun(pipeline=PIPELINE, run_id=RUN, requested_by="ada"),
        training.TrainingRunAwaitingApproval(pipeline=PIPELINE, run_id=RUN, cause=cause(), dataset_version=3),
        training.TrainingRunStarted(
            pipeline=PIPELINE,
            run_id=RUN,
            attempt=1,
            cause=cause(),
            dataset_version=3,
            dataset_digest=digest("d"),
            code_digest=digest("c"),
            champion_version=1,
        ),
        training.TrainingRunProgressed(
            pipeline=PIPELINE, run_id=RUN, stage="fit", fraction=0.5, metrics={"validation_auc": 0.7}
        ),
        training_run_succeeded(),
        training.TrainingRunFailed(
            pipeline=PIPELINE, run_id=RUN, reason=training.FailureReason.CRASHED, detail="out of memory", attempts=3
        ),
        training.TrainingRunSkipped(
            pipeline=PIPELINE, cause=cause(), reason=training.SkipReason.COOLDOWN, detail="3 days left"
        ),
        training.RetrainingEscalated(
            pipeline=PIPELINE,
            champion_version=2,
            degraded_version=2,
            degraded_since=NOON,
            quality="auc of version 2 fell to 0.61 (0.58 to 0.64) from 0.71",
            refused=1,
            refusals=(
                training.RefusedRetraining(
                    run_id=RUN,
                    kind=TriggerKind.QUALITY,
                    version=3,
                    refused_by="gates",
                    reason="auc 0.70 is not above the champion's 0.71",
                    refused_at=NOON,
                ),
            ),
        ),
    ]


def _registry() -> list[Message]:
    verdicts = (
        registry.GateVerdict(
            gate=GATES[0], passed=True, value=0.71, threshold=0.6, explanation="auc 0.71 is at least 0.6"
        ),
        registry.GateVerdict(
            gate=GATES[1], passed=True, value=0.71, threshold=0.702, explanation="auc 0.71 is at least 0.702"
        ),
    )
    bundle = {"run_id": RUN, "bundle_uri": f"{RUN_URI}/bundle", "bundle_digest": digest("b")}
    papers = {
        "report_uri": f"{RUN_URI}/report.json",
        "report_digest": digest("a"),
        "record_uri": f"{RUN_URI}/record.json",
        "record_digest": digest("d"),
    }
    return [
        registry.ApproveModelVersion(pipeline=PIPELINE, version=2, approved_by="ada", reason="looks right"),
        registry.RejectModelVersion(pipeline=PIPELINE, version=2, rejected_by="ada", reason="wrong holiday"),
        registry.RollBackModel(pipeline=PIPELINE, to_version=1, requested_by="ada", reason="complaints"),
        registry.ModelVersionRegistered(
            pipeline=PIPELINE, version=2, model_digest=digest("f"), lineage=lineage(), **bundle
        ),
        registry.ImportModelVersion(
            pipeline=PIPELINE, imported_by="ada", reason="built again before the audit", **bundle, **papers
        ),
        registry.ModelVersionImported(
            pipeline=PIPELINE,
            version=2,
            original_version=2,
            model_digest=digest("f"),
            lineage=lineage(),
            imported_by="ada",
            imported_at=NOON,
            reason="built again before the audit",
            **bundle,
            **papers,
        ),
        registry.ModelVersionGatesEvaluated(
            pipeline=PIPELINE, version=2, passed=True, champion_version=1, verdicts=verdicts
        ),
        registry.ModelVersionAwaitingApproval(pipeline=PIPELINE, version=2),
        registry.ModelVersionApprovalGiven(
            pipeline=PIPELINE, version=2, approved_by="ada", reason="looks right", missing=1, decided_at=NOON
        ),
        registry.ModelVersionPromoted(
            pipeline=PIPELINE,
            version=2,
            previous_version=1,
            kind=registry.PromotionKind.APPROVAL,
            promoted_by="ada",
            reason="looks right",
            **bundle,
        ),
        registry.ModelVersionDemoted(
            pipeline=PIPELINE,
            version=2,
            champion_version=1,
            rollout_id=ROLLOUT,
            demoted_by="serving",
            reason="errors: 9 of 120 requests failed, 2 of 2300 of version 1",
        ),
        registry.ModelVersionRejected(
            pipeline=PIPELINE, version=2, run_id=RUN, rejected_by="gates", reason="auc 0.69 is not at least 0.702"
        ),
        registry.ModelCommandRefused(
            pipeline=PIPELINE,
            command=registry.ApproveModelVersion.subject,
            command_id="b7e1",
            requested_by="ada",
            version=2,
            rule="not_awaiting_approval",
            detail="not awaiting approval: version=2, state=rejected",
        ),
    ]


def _tracking() -> list[Message]:
    at_ms = int(NOON.timestamp()) * 1000
    running = tracking.RunState(name="bold-crane-12", status="RUNNING")
    artifacts = f"mlflow-artifacts:/{EXPERIMENT}"
    experiment = {"pipeline": PIPELINE, "experiment_id": EXPERIMENT}
    run = {"pipeline": PIPELINE, "run_id": MLFLOW_RUN}
    return [
        tracking.ExperimentCreated(
            **experiment, name=PIPELINE, artifact_location=artifacts, tags={"team": "arrivals"}, at_ms=at_ms
        ),
        tracking.ExperimentRenamed(**experiment, name="Late flights", previous_name=PIPELINE, at_ms=at_ms),
        tracking.ExperimentDeleted(**experiment, at_ms=at_ms),
        tracking.ExperimentRestored(**experiment, at_ms=at_ms),
        tracking.ExperimentCollected(**experiment, name=PIPELINE, **COLLECTED, at_ms=at_ms),
        tracking.ExperimentTagged(
            **experiment, tags=(tracking.TagChange(key="team", value="delays", previous="arrivals"),)
        ),
        tracking.RunCreated(
            **run,
            experiment_id=EXPERIMENT,
            user="ada",
            state=running,
            started_ms=at_ms,
            artifact_uri=f"{artifacts}/{MLFLOW_RUN}/artifacts",
            tags={"mlflow.runName": "bold-crane-12"},
        ),
        tracking.RunUpdated(
            **run,
            state=tracking.RunState(name="bold-crane-12", status="FINISHED", ended_ms=at_ms + 9000),
            previous=running,
        ),
        tracking.RunLogged(
            **run,
            params={"num_leaves": "31"},
            metrics=(
                tracking.MetricPoint(key="auc", value=0.71, timestamp_ms=at_ms, step=3),
                tracking.MetricPoint(key="auc", timestamp_ms=at_ms + 1, step=4),
            ),
            tags=(tracking.TagChange(key="holiday", previous="easter"),),
        ),
        tracking.RunLinked(
            **run,
            datasets=(
                tracking.DatasetUse(
                    name="flights",
                    digest="0b7e5f1a",
                    source_type="local",
                    source="flights.csv",
                    tags={"mlflow.data.context": "training"},
                ),
            ),
            models_made=(tracking.ModelMade(model_id=f"m-{MLFLOW_RUN}", step=3),),
        ),
        tracking.RunDeleted(**run, at_ms=at_ms),
        tracking.RunRestored(**run, at_ms=at_ms),
        tracking.RunCollected(**run, **COLLECTED, at_ms=at_ms),
    ]


def _registered_models() -> list[Message]:
    model: dict[str, Any] = {"pipeline": PIPELINE, "at": NOON}
    source = f"mlflow-artifacts:/{EXPERIMENT}/models/m-{MLFLOW_RUN}/artifacts"
    version = {**model, "version": 1}
    return [
        registered_models.ModelCreated(**model, name="Late flights", tags={"team": "arrivals"}),
        registered_models.ModelRenamed(
            **model, name="Late flights", previous_name="flights", previous_pipeline="flights"
        ),
        registered_models.ModelDescribed(**model, description="Arrivals", previous_description="Flights"),
        registered_models.ModelTagged(**version, key="slices", value="checked", previous_value="open"),
        registered_models.ModelVersionLogged(
            **version,
            source=f"models:/m-{MLFLOW_RUN}",
            location=source,
            run_id=MLFLOW_RUN,
            model_id=f"m-{MLFLOW_RUN}",
            tags={"slices": "open"},
        ),
        registered_models.DeclareModelGates(
            pipeline=PIPELINE, gates=GATES[:1], declared_by="ada", reason="as good as by hand"
        ),
        registered_models.ModelGatesDeclared(**model, gates=GATES[:1], declared_by="ada", reason="as good as by hand"),
        registered_models.WaiveModelVersionGates(
            pipeline=model["pipeline"], version=1, waived_by="ada", reason="the model it replaces was no better"
        ),
        registered_models.ModelVersionGatesWaived(
            **version, waived_by="ada", reason="the model it replaces was no better"
        ),
        registered_models.ModelAliasMoved(**version, alias="champion", moved_by="mlflow"),
        registered_models.ModelVersionArchived(**version, archived=True, previously=False),
        registered_models.ModelVersionDeleted(**version, location=source, aliases=("newest",)),
        registered_models.ModelVersionCollected(**version, **COLLECTED),
        registered_models.ModelDeleted(**model, name="Late flights", versions=(2, 3)),
    ]


def _logged_models() -> list[Message]:
    at_ms = int(NOON.timestamp()) * 1000
    model = {"pipeline": PIPELINE, "model_id": f"m-{MLFLOW_RUN}"}
    return [
        logged_models.LoggedModelCreated(
            **model,
            experiment_id=EXPERIMENT,
            name="late-flights",
            model_type="lightgbm",
            source_run_id=MLFLOW_RUN,
            artifact_uri=f"mlflow-artifacts:/{EXPERIMENT}/models/m-{MLFLOW_RUN}/artifacts",
            params={"num_leaves": "31"},
            tags={"team": "arrivals"},
            at_ms=at_ms,
        ),
        logged_models.LoggedModelFinalized(**model, status="READY", previous_status="PENDING", at_ms=at_ms + 900),
        logged_models.LoggedModelDescribed(
            **model,
            params={"max_depth": "7"},
            tags=(tracking.TagChange(key="team", value="delays", previous="arrivals"),),
        ),
        logged_models.LoggedModelDeleted(**model, at_ms=at_ms + 90_000),
        logged_models.LoggedModelCollected(**model, **COLLECTED, at_ms=at_ms + 90_000),
    ]


def _guard_verdict() -> serving.GuardVerdict:
    return serving.GuardVerdict(
        test=serving.GuardTest.ERRORS,
        failed=True,
        statistic=11.2,
        threshold=5.99,
        candidate=0.075,
        champion=0.0009,
        candidate_requests=120,
        champion_requests=2300,
        explanation="errors: 9 of 120 requests failed, 2 of 2300 of version 1",
    )


def _serving() -> list[Message]:
    batch = serving.PredictionBatch(
        version=2,
        prediction_ids=("p-1", "p-2"),
        event_times=(NOON, NOON),
        served_at=NOON,
        inputs={"carrier": ("AA", None), "distance": (1400.0, 229.0)},
        scores=(0.23, 0.61),
    )
    rollout: dict[str, Any] = {"rollout_id": ROLLOUT, "version": 2}
    return [
        serving.RolloutStarted(pipeline=PIPELINE, rollout_id=ROLLOUT, version=2, previous_version=1),
        serving.RolloutStepped(
            pipeline=PIPELINE,
            rollout_id=ROLLOUT,
            version=2,
            previous_version=1,
            step=0,
            steps=2,
            kind="canary",
            share=0.05,
            bake=timedelta(minutes=5),
            bundle_uri=f"{RUN_URI}/bundle",
            bundle_digest=digest("b"),
        ),
        serving.RolloutPaused(pipeline=PIPELINE, paused_by="ada", reason="looking at LGA", **rollout),
        serving.RolloutResumed(pipeline=PIPELINE, resumed_by="ada", reason="LGA is fine", **rollout),
        serving.RolloutHastened(pipeline=PIPELINE, hastened_by="ada", reason="a hotfix", **rollout),
        serving.RolloutCompleted(
            pipeline=PIPELINE,
            rollout_id=ROLLOUT,
            version=2,
            previous_version=1,
            bundle_uri=f"{RUN_URI}/bundle",
            bundle_digest=digest("b"),
            url="http://127.0.0.1:8000/flight_delays",
            replicas=2,
            duration_s=1.25,
        ),
        serving.RolloutRolledBack(
            pipeline=PIPELINE,
            serving_version=1,
            reason="errors: 9 of 120 requests failed, 2 of 2300 of version 1",
            step=0,
            promoted_at=NOON,
            verdicts=(_guard_verdict(),),
            **rollout,
        ),
        serving.RolloutCommandRefused(
            pipeline=PIPELINE,
            command=serving.PauseRollout.subject,
            command_id="c2d4",
            requested_by="ada",
            rollout_id=ROLLOUT,
            rule="rollout_over",
            detail="rollout over: state=completed",
        ),
        *(
            command(pipeline=PIPELINE, rollout_id=ROLLOUT, requested_by="ada", reason="complaints from LGA")
            for command in (
                serving.PauseRollout,
                serving.ResumeRollout,
                serving.PromoteRollout,
                serving.AbortRollout,
            )
        ),
        serving.DeploymentDiverged(pipeline=PIPELINE, since=NOON, differences=("replica r-1 answers with version 1",)),
        serving.DeploymentConverged(pipeline=PIPELINE, diverged_since=NOON, duration_s=41.5),
        serving.PredictionsServed(pipeline=PIPELINE, replica="r-1", batches=(batch,)),
    ]


def _precompute() -> list[Message]:
    which: dict[str, Any] = {"precomputation_id": PRECOMPUTATION, "version": 2, "dataset_version": 3}
    return [
        precompute.StartPrecomputation(pipeline=PIPELINE, requested_by="ada", reason="before the holidays"),
        precompute.PrecomputationStarted(
            pipeline=PIPELINE, attempt=1, requested_by="policy:promotion", reason="version 2 answers", **which
        ),
        precompute.PrecomputationCompleted(
            pipeline=PIPELINE,
            table_uri="/srv/everloop/store/precomputed/flight_delays/table",
            delta_version=4,
            rows=27004,
            lookup_uri=f"/srv/everloop/store/precomputed/flight_delays/{PRECOMPUTATION}/lookup.sqlite",
            lookup_digest=digest("c"),
            keys=27000,
            duplicates=4,
            without_key=0,
            duration_s=9.5,
            **which,
        ),
        precompute.PrecomputationFailed(
            pipeline=PIPELINE,
            reason=precompute.PrecomputationFailure.REFUSED,
            detail="the files of the dataset version hold 27004 rows, expected [27003]",
            attempts=1,
            **which,
        ),
    ]


def _inference() -> list[Message]:
    request = UUID("3d8e3a70-2f6c-4a55-9c43-5f2f0c1b7d04")
    about = {"request_id": request, "request_digest": digest("e")}
    return [
        inference.RequestInference(
            pipeline=PIPELINE,
            request_id=request,
            rows=({"carrier": "AA", "distance": 1400.0, "scheduled_at": NOON.isoformat()},),
            routing_key="passenger-7",
            explain=True,
        ),
        inference.InferenceCompleted(
            pipeline=PIPELINE,
            version=2,
            predictions=(
                inference.Prediction(
                    prediction_id=f"{request.hex}-0", score=0.23, attributions={"carrier": -0.3, "distance": 0.1}
                ),
            ),
            explanation=inference.Explanation(method="tree_shap", unit="log_odds", base_value=-1.0),
            **about,
        ),
        inference.InferenceFailed(
            pipeline=PIPELINE, status=400, reason="input 'distance' is FP64 and holds JSON strings", **about
        ),
    ]


def _monitoring() -> list[Message]:
    window = {"version": 2, "window_start": NOON, "window_end": NOON + WEEK}
    return [
        monitoring.RecordGroundTruth(
            pipeline=PIPELINE, labels=(monitoring.GroundTruth(prediction_id="p-1", label=1, observed_at=NOON),)
        ),
        monitoring.GroundTruthRecorded(
            pipeline=PIPELINE, matched=1, parked=0, corrected=0, total=1, latest_observation=NOON
        ),
        monitoring.DriftDetected(
            pipeline=PIPELINE,
            drift=monitoring.DriftKind.INPUT,
            rows=6500,
            statistic=5.1,
            threshold=3.2,
            false_alarm_rate=0.05,
            shifts=(monitoring.FeatureShift(feature="wind", effect=0.4, score=5.1),),
            reference_uri=f"{RUN_URI}/bundle/reference.json",
            effect=0.4,
            blocks=40,
            reference_rows=240_000,
            **window,
        ),
        monitoring.DataBroken(
            pipeline=PIPELINE,
            breakage=monitoring.Breakage.FAULT,
            rows=6500,
            statistic=21.0,
            threshold=3.4,
            false_alarm_rate=0.05,
            effect=0.28,
            blocks=40,
            reference_rows=240_000,
            shifts=(
                monitoring.FeatureShift(
                    feature="carrier", effect=0.28, score=21.0, cell="unseen", share=0.02, usual_share=0.0
                ),
            ),
            **window,
        ),
        monitoring.QualityDegraded(
            pipeline=PIPELINE,
            metric="auc",
            value=0.61,
            low=0.59,
            high=0.63,
            reference=0.71,
            threshold=0.68,
            predictions=6500,
            labelled=6300,
            statistic=1730.0,
            statistic_threshold=1000.0,
            run_length=1000.0,
            p=0.0004,
            blocks=7,
            **window,
        ),
    ]


def finding(**changes: Any) -> alerts.Finding:
    """Say that quality fell."""
    return alerts.Finding(
        **{
            "kind": alerts.AlertKind.QUALITY_DEGRADED,
            "about": "version 2",
            "severity": alerts.Severity.CRITICAL,
            "title": "flight_delays 2 answers worse than it was tested: auc 0.61 instead of 0.71",
            "since": NOON,
            "certainty": "The interval 0.59 to 0.63 lies beyond the allowed 0.68.",
            "action": "Look since when; then roll back, or retrain.",
            "command": "everloop monitor flight_delays --version 2",
            "version": 2,
            **changes,
        }
    )


def _alerts() -> list[Message]:
    alert: dict[str, Any] = {"pipeline": PIPELINE, "alert_id": ALERT}
    what: dict[str, Any] = {"kind": alerts.AlertKind.QUALITY_DEGRADED, "about": "version 2"}
    return [
        alerts.ResolveAlert(resolved_by="ada", reason="rolled back", **alert),
        alerts.SnoozeAlert(until=NOON + WEEK, snoozed_by="ada", reason="a strike", **alert),
        alerts.AlertRaised(finding=finding(), occurrences=2, first_at=NOON, raised_by="m-1", **alert),
        alerts.AlertResolved(
            resolved_by="monitoring", reason="version 3 is champion", occurrences=2, first_at=NOON, **what, **alert
        ),
        alerts.AlertSnoozed(until=NOON + WEEK, snoozed_by="ada", reason="a strike", **what, **alert),
        alerts.AlertUndelivered(delivery_id=RUN, channel="oncall", attempts=12, detail="HTTP 500", **alert),
        alerts.AlertCommandRefused(
            command="resolve", requested_by="ada", rule="alert_is_over", detail="alert is over", **alert
        ),
    ]


def every_message() -> list[Message]:
    """Give an example of every message there is."""
    stories: tuple[Callable[[], list[Message]], ...] = (
        _ingestion,
        _training,
        _registry,
        _tracking,
        _logged_models,
        _registered_models,
        _serving,
        _inference,
        _precompute,
        _monitoring,
        _alerts,
    )
    return [message for story in stories for message in story()]
