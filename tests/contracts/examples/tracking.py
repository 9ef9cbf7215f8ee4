"""People log experiments, runs and models."""

from contracts import logged_models, tracking
from contracts.message import Message
from tests.contracts.examples.story import COLLECTED, EXPERIMENT, MLFLOW_RUN, NOON, PIPELINE


def of_tracking() -> list[Message]:
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


def of_logged_models() -> list[Message]:
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
