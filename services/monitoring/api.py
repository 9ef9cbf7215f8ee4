"""HTTP: what is watched and found, single predictions, and labels in."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, status
from pydantic import Field

from contracts.model import Contract, PipelineName
from contracts.monitoring import DriftKind, GroundTruth, RecordGroundTruth
from contracts.pipeline import Monitors as Watch
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.monitoring.counting import Value
from services.monitoring.domain import Label, Monitor, WatchedVersion, Window, WindowState, moment
from services.monitoring.drift import DriftVerdict
from services.monitoring.ports import Monitors, Predictions, Versions, Windows
from services.monitoring.quality import QualityVerdict

router = APIRouter(tags=["monitoring"])
Limit = Annotated[int, Query(ge=1, le=1000)]


class WindowView(Contract):
    """One window of event time of one version."""

    version: int
    start: datetime
    end: datetime
    state: WindowState
    predictions: int
    labelled: int
    labelled_fraction: float
    drift: dict[DriftKind, DriftVerdict]
    quality: QualityVerdict | None
    told: tuple[str, ...] = Field(description="Facts that were said of this window.")

    @classmethod
    def of(cls, version: WatchedVersion, window: Window) -> "WindowView":
        """Show a window."""
        return cls(
            version=version.number,
            start=moment(window.start),
            end=moment(window.end),
            state=window.state,
            predictions=window.predictions,
            labelled=window.labelled,
            labelled_fraction=window.labelled / window.predictions if window.predictions else 0.0,
            drift=window.drift,
            quality=window.quality,
            told=tuple(sorted(window.told)),
        )


class CountsView(WindowView):
    """A window with its rows per cell, by feature; the cells are those of the version's reference."""

    counts: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, version: WatchedVersion, window: Window) -> "CountsView":
        """Show a window."""
        assert version.baseline
        features = (*version.baseline.inputs, version.baseline.score)
        counts = {feature.name: tuple(window.counts[feature.place].tolist()) for feature in features}
        return cls(**WindowView.of(version, window).model_dump(), counts=counts)


class VersionView(Contract):
    """A version under watch, and what was said last of it."""

    version: int
    watched_since: datetime | None = Field(description="Unset while its rollout is not heard of.")
    windows: int
    predictions: int
    last_drift: WindowView | None = Field(description="The latest window whose drift is judged.")
    last_quality: WindowView | None = Field(description="The latest window whose quality is judged.")

    @classmethod
    def of(cls, version: WatchedVersion, windows: list[Window]) -> "VersionView":
        """Show a version."""
        drift = [window for window in windows if window.drift_rows is not None]
        quality = [window for window in windows if window.is_judged]
        return cls(
            version=version.number,
            watched_since=version.watched_since,
            windows=len(windows),
            predictions=sum(window.predictions for window in windows),
            last_drift=WindowView.of(version, drift[-1]) if drift else None,
            last_quality=WindowView.of(version, quality[-1]) if quality else None,
        )


class MonitorView(Contract):
    """A pipeline under watch."""

    pipeline: str
    monitors: Watch | None = Field(description="Unset: no pipeline declares any; what it answers is kept, not judged.")
    watermark: datetime | None = Field(description="Latest event time of a prediction.")
    label_watermark: datetime | None = Field(description="Latest observation of a label.")
    labels_joined: int
    label_delay_s: float = Field(description="Within which nearly all labels came, as measured.")
    versions: tuple[VersionView, ...]


class LabelView(Contract):
    """A label as it was said once."""

    value: float
    observed_at: datetime
    said_at: datetime

    @classmethod
    def of(cls, label: Label) -> "LabelView":
        """Show a label."""
        return cls(value=label.value, observed_at=moment(label.observed_at), said_at=moment(label.said_at))


class PredictionView(Contract):
    """One prediction as it was asked and answered."""

    prediction_id: str
    pipeline: str
    version: int
    event_time: datetime
    served_at: datetime
    score: float
    inputs: dict[str, Value]
    replica: str
    traceparent: str | None
    label: LabelView | None = Field(description="The label that counts.")
    labels: tuple[LabelView, ...] = Field(description="Every label that was said, the one that counts last.")


class GroundTruthBody(Contract):
    """How predictions turned out."""

    labels: tuple[GroundTruth, ...] = Field(min_length=1, max_length=2000)


class Accepted(Contract):
    """Labels are on their way to be recorded."""

    pipeline: str
    labels: int


@router.get("/monitors/{pipeline}")
async def get_monitor(pipeline: PipelineName, tx: Tx) -> MonitorView:
    """Say what is watched of a pipeline, and what was found last."""
    monitor = await _monitor(pipeline, tx)
    windows = tx.port(Windows)
    versions = [
        VersionView.of(version, await windows.of(version.key)) for version in await tx.port(Versions).all(pipeline)
    ]
    return MonitorView(
        pipeline=pipeline,
        monitors=monitor.definition.monitors if monitor.definition else None,
        watermark=moment(monitor.watermark) if monitor.watermark is not None else None,
        label_watermark=moment(monitor.label_watermark) if monitor.label_watermark is not None else None,
        labels_joined=monitor.joined,
        label_delay_s=monitor.grace.total_seconds(),
        versions=tuple(versions),
    )


@router.get("/monitors/{pipeline}/windows")
async def list_windows(pipeline: PipelineName, tx: Tx, version: int | None = None) -> list[CountsView]:
    """List windows, oldest first, of all versions or of one."""
    await _monitor(pipeline, tx)
    views = [
        CountsView.of(watched, window)
        for watched in await tx.port(Versions).all(pipeline)
        if version in (None, watched.number)
        for window in await tx.port(Windows).of(watched.key)
    ]
    return sorted(views, key=lambda view: (view.start, view.version))


@router.get("/monitors/{pipeline}/versions/{version}/predictions")
async def list_newest_predictions(
    pipeline: PipelineName, version: Annotated[int, Path(ge=1, lt=2**31)], tx: Tx, limit: Limit = 20
) -> list[str]:
    """List ids of what a version answered, the latest events first."""
    await _monitor(pipeline, tx)
    watched = next((one for one in await tx.port(Versions).all(pipeline) if one.number == version), None)
    if watched is None:
        raise RejectedError("version_not_found", pipeline=pipeline, version=version)
    return await tx.port(Predictions).newest(watched.key, limit=limit)


@router.get("/predictions/{prediction_id}")
async def get_prediction(prediction_id: str, tx: Tx) -> PredictionView:
    """Say which version answered when, what it was asked, what it answered, and how it turned out."""
    record = await tx.port(Predictions).get(prediction_id)
    if record is None:
        raise RejectedError("prediction_not_found", prediction_id=prediction_id)
    return PredictionView(
        prediction_id=record.prediction_id,
        pipeline=record.pipeline,
        version=record.version,
        event_time=record.event_time,
        served_at=record.served_at,
        score=record.score,
        inputs=dict(record.inputs),
        replica=record.replica,
        traceparent=record.traceparent,
        label=LabelView.of(record.label) if record.label else None,
        labels=tuple(LabelView.of(label) for label in record.history),
    )


@router.post("/ground-truth/{pipeline}", status_code=status.HTTP_202_ACCEPTED)
async def post_ground_truth(pipeline: PipelineName, body: GroundTruthBody, tx: Tx) -> Accepted:
    """Take labels in, to be recorded as soon as they are heard on the bus."""
    await _monitor(pipeline, tx)
    tx.say(RecordGroundTruth(pipeline=pipeline, labels=body.labels))
    return Accepted(pipeline=pipeline, labels=len(body.labels))


async def _monitor(pipeline: str, tx: Tx) -> Monitor:
    monitor = await tx.port(Monitors).get(pipeline)
    if monitor is None:
        raise RejectedError("pipeline_not_found", pipeline=pipeline)
    return monitor
