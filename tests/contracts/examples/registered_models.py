"""People name models, and point at versions."""

from typing import Any

from contracts import registered_models
from contracts.message import Message
from tests.contracts.examples.story import COLLECTED, EXPERIMENT, GATES, MLFLOW_RUN, NOON, PIPELINE


def of_registered_models() -> list[Message]:
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
