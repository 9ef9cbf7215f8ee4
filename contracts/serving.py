"""What is said by the serving service and its replicas."""

from typing import ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.message import Event
from contracts.model import Contract, Digest, VersionNumber


class RolloutStarted(Event):
    """Replicas are loading a promoted version beside the one that answers."""

    subject: ClassVar[str] = "events.serving.rollout.started.v1"

    rollout_id: UUID
    version: VersionNumber
    previous_version: VersionNumber | None = None


class RolloutCompleted(Event):
    """Every replica answers with the version; its golden requests passed before any traffic."""

    subject: ClassVar[str] = "events.serving.rollout.completed.v1"

    rollout_id: UUID
    version: VersionNumber
    previous_version: VersionNumber | None = None
    bundle_uri: str
    bundle_digest: Digest
    url: str = Field(description="Base URL of the model under the Open Inference Protocol.")
    replicas: int = Field(ge=1)
    duration_s: float = Field(ge=0)


class RolloutRolledBack(Event):
    """A version did not pass before traffic; the one before it goes on answering."""

    subject: ClassVar[str] = "events.serving.rollout.rolled_back.v1"

    rollout_id: UUID
    version: VersionNumber
    serving_version: VersionNumber | None = Field(default=None, description="The version that answers now.")
    reason: str = Field(max_length=2000)


class PredictionBatch(Contract):
    """Rows answered by one version, column by column; all lists have one entry per row."""

    version: VersionNumber
    prediction_ids: tuple[str, ...] = Field(min_length=1, max_length=2000)
    event_times: tuple[AwareDatetime, ...]
    served_at: AwareDatetime
    inputs: dict[str, tuple[bool | int | float | str | None, ...]] = Field(description="Features as they were asked.")
    scores: tuple[float, ...] = Field(description="Probability of the positive class, or the predicted value.")
    traceparent: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        lengths = {len(self.prediction_ids), len(self.event_times), len(self.scores)}
        if lengths | {len(column) for column in self.inputs.values()} != {len(self.prediction_ids)}:
            raise ValueError("the lists of a batch differ in length")
        return self


class PredictionsServed(Event):
    """Predictions were answered. Said by replicas in batches, without an outbox: the answer comes first."""

    subject: ClassVar[str] = "events.serving.prediction.served.v1"

    replica: str
    batches: tuple[PredictionBatch, ...] = Field(min_length=1)
