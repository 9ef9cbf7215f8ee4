"""What monitoring does when it hears something: it keeps and counts. ``judging`` draws the conclusions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from contracts.message import Message
from contracts.monitoring import GroundTruthRecorded, RecordGroundTruth
from contracts.pipeline import Objective
from contracts.registered_models import ModelAliasMoved
from contracts.serving import PredictionBatch, PredictionsServed, RolloutCompleted, RolloutStepped
from contracts.training import PipelineRegistered
from services.chassis.errors import MalformedError, TransientError
from services.chassis.subscriptions import Cause, Subscription
from services.monitoring.alerts import handlers as alerts
from services.monitoring.counting import IntArray
from services.monitoring.domain import Instant, Join, Label, Monitor, WatchedVersion, Window, instant, latest
from services.monitoring.ports import Labels, Monitors, Predictions, References, Versions, Windows
from services.monitoring.served import Rows, Served


async def on_pipeline_registered(event: PipelineRegistered, monitors: Monitors) -> list[Message]:
    """Watch a pipeline, or go on watching it by its new definition."""
    known = await monitors.lock(event.pipeline)
    await monitors.save(known.defined(event.definition) if known else Monitor(event.pipeline, event.definition))
    return []


async def on_alias_moved(event: ModelAliasMoved, monitors: Monitors) -> list[Message]:
    """Keep what a champion answers that was only logged. It has no reference, so nothing it does is drift."""
    if event.bundle_uri and await monitors.lock(event.pipeline) is None:
        await monitors.save(Monitor(event.pipeline, None))
    return []


async def on_rollout_stepped(
    event: RolloutStepped,
    monitors: Monitors,
    versions: Versions,
    references: References,
    predictions: Predictions,
    windows: Windows,
    cause: Cause,
) -> list[Message]:
    """Watch a candidate as soon as it answers: its quality can roll it back. What a shadow says, nobody gets."""
    if event.kind == "shadow":
        return []
    return await _watch(event, monitors, versions, references, predictions, windows, cause)


async def on_rollout_completed(
    event: RolloutCompleted,
    monitors: Monitors,
    versions: Versions,
    references: References,
    predictions: Predictions,
    windows: Windows,
    cause: Cause,
) -> list[Message]:
    """Watch a version, if it is not watched yet."""
    return await _watch(event, monitors, versions, references, predictions, windows, cause)


async def _watch(
    event: RolloutStepped | RolloutCompleted,
    monitors: Monitors,
    versions: Versions,
    references: References,
    predictions: Predictions,
    windows: Windows,
    cause: Cause,
) -> list[Message]:
    """Watch a version; what it answered before this was heard is counted now."""
    await _lock(monitors, event.pipeline)
    version = await versions.see(event.pipeline, event.version)
    if version.baseline:
        return []
    reference = await references.read(event.bundle_uri, event.bundle_digest)
    if reference is None:
        return []
    version = await versions.watch(version.in_bundle(event.bundle_uri, event.bundle_digest), reference, cause.said_at)
    async for served, new in predictions.log(version):
        rows = served.rows.only(new)
        known = await predictions.find(event.pipeline, rows.ids)
        labels = {id_: prediction.label for id_, prediction in known.items() if prediction.label}
        await _count(windows, version, rows, _joins(version, rows, labels))
    return []


async def on_predictions_served(
    event: PredictionsServed,
    monitors: Monitors,
    versions: Versions,
    predictions: Predictions,
    labels: Labels,
    windows: Windows,
    cause: Cause,
) -> list[Message]:
    """Keep predictions, join the labels that were faster than they, and count them."""
    monitor = await _lock(monitors, event.pipeline)
    for number, batches in _by_version(event.batches).items():
        version = await versions.see(event.pipeline, number)
        served = Served(version, cause.message_id, event.replica, batches)
        rows = served.rows.only(await predictions.add(served))
        joins = _joins(version, rows, await labels.of(event.pipeline, rows.ids))
        await predictions.join(joins)
        if version.baseline:
            await _count(windows, version, rows, joins)
        monitor = monitor.heard_predictions(rows.event_times, served_at=rows.served_at, cause=cause).counted(joins)
    await monitors.save(monitor)
    return []


async def record_ground_truth(
    command: RecordGroundTruth,
    monitors: Monitors,
    versions: Versions,
    predictions: Predictions,
    labels: Labels,
    windows: Windows,
    cause: Cause,
) -> list[Message]:
    """Keep labels, and join those whose predictions are known; the others wait for theirs."""
    monitor = await _lock(monitors, command.pipeline)
    if monitor.definition and monitor.definition.objective is Objective.BINARY_CLASSIFICATION:
        _check_binary(command)
    said: dict[str, list[Label]] = defaultdict(list)
    said_at = instant(cause.said_at)
    for truth in command.labels:
        said[truth.prediction_id].append(Label(instant(truth.observed_at), said_at, truth.label))
    await labels.keep(command.pipeline, [(id_, label) for id_, several in said.items() for label in several])

    known = await predictions.find(command.pipeline, list(said))
    joins = []
    for id_, prediction in known.items():
        counts = latest([prediction.label, *said[id_]])
        if counts and counts != prediction.label:
            joins.append(Join(id_, prediction.version_key, prediction.event_at, counts, prediction.label))
    await predictions.join(joins)
    for version in await versions.all(command.pipeline):
        of_version = [join for join in joins if join.version_key == version.key]
        if version.baseline and of_version:
            await _amend(windows, version, of_version)
    monitor = monitor.heard_labels([label for several in said.values() for label in several], cause=cause)
    monitor = monitor.counted(joins)
    await monitors.save(monitor)

    matched = sum(truth.prediction_id in known for truth in command.labels)
    return [
        GroundTruthRecorded(
            pipeline=command.pipeline,
            matched=matched,
            parked=len(command.labels) - matched,
            corrected=sum(join.corrects for join in joins),
            total=monitor.joined,
            latest_observation=max(truth.observed_at for truth in command.labels),
        )
    ]


async def _lock(monitors: Monitors, pipeline: str) -> Monitor:
    monitor = await monitors.lock(pipeline)
    if monitor is None:
        raise TransientError("pipeline_unknown", pipeline=pipeline)
    return monitor


def _by_version(batches: Sequence[PredictionBatch]) -> dict[int, tuple[PredictionBatch, ...]]:
    grouped: dict[int, list[PredictionBatch]] = defaultdict(list)
    for batch in batches:
        grouped[batch.version].append(batch)
    return {version: tuple(several) for version, several in grouped.items()}


def _joins(version: WatchedVersion, rows: Rows, labels: Mapping[str, Label]) -> list[Join]:
    if not labels:
        return []
    return [
        Join(id_, version.key, int(event_at), labels[id_])
        for id_, event_at in zip(rows.ids, rows.event_times, strict=True)
        if id_ in labels
    ]


async def _count(windows: Windows, version: WatchedVersion, rows: Rows, joins: Sequence[Join]) -> None:
    assert version.baseline
    starts, groups = np.unique(version.window_starts(rows.event_times), return_inverse=True)
    counts = version.baseline.count(rows.columns, rows.scores, groups, len(starts))
    sizes = np.bincount(groups, minlength=len(starts))
    touched = await _windows(windows, version, starts)
    grown = {
        start: window.with_rows(counts[group], int(sizes[group]))
        for group, (start, window) in enumerate(touched.items())
    }
    await windows.save(_labelled(version, grown, joins))


async def _amend(windows: Windows, version: WatchedVersion, joins: Sequence[Join]) -> None:
    starts = np.unique(version.window_starts(np.array([join.event_at for join in joins], np.int64)))
    await windows.save(_labelled(version, await _windows(windows, version, starts), joins))


async def _windows(windows: Windows, version: WatchedVersion, starts: IntArray) -> dict[Instant, Window]:
    known = await windows.get(version.key, starts.tolist())
    return {start: known.get(start) or version.open_window(start) for start in starts.tolist()}


def _labelled(version: WatchedVersion, touched: dict[Instant, Window], joins: Sequence[Join]) -> list[Window]:
    starts = version.window_starts(np.array([join.event_at for join in joins], np.int64)).tolist()
    new, changes = dict.fromkeys(touched, 0), dict.fromkeys(touched, 0)
    for start, join in zip(starts, joins, strict=True):
        new[start] += join.is_new
        changes[start] += join.is_new or join.corrects
    return [window.with_labels(new=new[start], changes=changes[start]) for start, window in touched.items()]


def _check_binary(command: RecordGroundTruth) -> None:
    for truth in command.labels:
        if truth.label not in (0, 1):
            raise MalformedError("label_not_binary", prediction_id=truth.prediction_id, label=truth.label)


SUBSCRIPTIONS = (
    Subscription(PipelineRegistered, on_pipeline_registered),
    Subscription(ModelAliasMoved, on_alias_moved),
    Subscription(RolloutStepped, on_rollout_stepped),
    Subscription(RolloutCompleted, on_rollout_completed),
    Subscription(PredictionsServed, on_predictions_served),
    Subscription(RecordGroundTruth, record_ground_truth),
    *alerts.SUBSCRIPTIONS,
)
