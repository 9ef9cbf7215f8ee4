"""Whatever the order in which messages arrive, windows end as a recount of everything from scratch would have them."""

from bisect import bisect_right
from collections import defaultdict
from datetime import datetime

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.monitoring import DriftDetected, GroundTruth, QualityDegraded, RecordGroundTruth
from services.monitoring.domain import Window, instant
from services.monitoring.drift import Comparison, DriftOutcome, judge_drift
from services.monitoring.ports import Monitors, Versions, Windows
from services.monitoring.quality import QualityVerdict, judge_quality
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.story import MIN_ROWS, Said, story
from tests.fakes.monitoring.world import World, cause

REFERENCE = examples.reference()
HOUR = 3_600_000_000


async def lived(said: list[Said], judge_after: list[bool]) -> tuple[World, dict[tuple[int, int], Window]]:
    world = World()
    world.references.references[examples.digest()] = REFERENCE
    await world.hear(examples.pipeline_registered(min_rows=MIN_ROWS))
    for one, judge in zip(said, judge_after, strict=True):
        await world.hear(one.message, cause(str(one.at), one.at))
        if judge:
            await world.judge()
    await world.judge()
    found = {}
    for version in await world.ports[Versions].all(examples.PIPELINE):
        for window in await world.ports[Windows].of(version.key):
            found[version.number, window.start] = window
    return world, found


def recounted(said: list[Said]) -> dict[tuple[int, int], list[tuple[dict[str, object], float, float | None]]]:
    """Per window, its rows: inputs, score, and the label that counts."""
    labels: dict[str, list[tuple[int, datetime, float]]] = defaultdict(list)
    for one in said:
        if isinstance(one.message, RecordGroundTruth):
            for truth in one.message.labels:
                labels[truth.prediction_id].append((instant(truth.observed_at), one.at, truth.label))
    rows: dict[tuple[int, int], list[tuple[dict[str, object], float, float | None]]] = defaultdict(list)
    for one in said:
        for batch in getattr(one.message, "batches", ()):
            for row, (id_, time) in enumerate(zip(batch.prediction_ids, batch.event_times, strict=True)):
                values = {name: column[row] for name, column in batch.inputs.items()}
                label = max(labels[id_])[2] if labels[id_] else None
                rows[batch.version, instant(time) // HOUR * HOUR].append((values, batch.scores[row], label))
    return rows


def cell(name: str, value: object) -> int:
    described = {feature.name: feature.cells for feature in (*REFERENCE.inputs, REFERENCE.score)}[name]
    if described.kind == "numeric":
        return len(described.edges) + 1 if value is None else bisect_right(described.edges, value)
    return {"de": 0, "fr": 1, "nl": 2}[str(value)]


def expected_quality(rows: list[tuple[dict[str, object], float, float | None]]) -> QualityVerdict:
    known = [(score, label) for _, score, label in rows if label is not None]
    return judge_quality(
        np.array([score for score, _ in known]),
        np.array([label for _, label in known]),
        predictions=len(rows),
        metric="auc",
        reference=examples.REFERENCE_AUC,
        max_drop=0.03,
        confidence=0.95,
        min_rows=MIN_ROWS,
    )


@given(st.integers(0, 5), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
async def test_windows_do_not_depend_on_the_order_of_arrival(seed: int, data: st.DataObject) -> None:
    said = story(seed)
    order = data.draw(st.permutations(said))
    judge_after = data.draw(st.lists(st.booleans(), min_size=len(said), max_size=len(said)))

    world, windows = await lived(order, judge_after)

    rows = recounted(said)
    monitor = await world.ports[Monitors].get(examples.PIPELINE)
    assert windows.keys() == rows.keys()
    for place, window in windows.items():
        assert window.predictions == len(rows[place])
        assert window.labelled == sum(label is not None for _, _, label in rows[place])
        comparisons, start = [], 0
        for feature in (*REFERENCE.inputs, REFERENCE.score):
            size = len(feature.block_counts[0])
            values = [score if feature.name == "score" else inputs[feature.name] for inputs, score, _ in rows[place]]
            counts = np.bincount([cell(feature.name, value) for value in values], minlength=size)
            assert (window.counts[start : start + size] == counts).all()
            comparisons.append(Comparison(feature.name, np.array(feature.block_counts), counts))
            start += size
        if window.is_closed(monitor):
            drift = judge_drift(comparisons[:2], false_alarm_rate=0.05, min_effect=0.1, min_rows=MIN_ROWS)
            assert window.drift["input"] == drift
            assert window.quality == (expected_quality(rows[place]) if window.is_ripe(monitor) else None)
        else:
            assert (window.drift, window.quality) == ({}, None)


@given(st.integers(0, 5), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
async def test_every_alarm_is_told_exactly_once(seed: int, data: st.DataObject) -> None:
    said = story(seed)
    order = data.draw(st.permutations(said))
    judge_after = data.draw(st.lists(st.booleans(), min_size=len(said), max_size=len(said)))

    world, windows = await lived(order, judge_after)

    told = []
    for fact in world.facts:
        assert isinstance(fact, DriftDetected | QualityDegraded)
        kind = fact.drift.value if isinstance(fact, DriftDetected) else "quality"
        told.append((fact.version, instant(fact.window_start), kind))
    assert len(set(told)) == len(told)
    for (version, start), window in windows.items():
        for kind, verdict in window.drift.items():
            if verdict.outcome is DriftOutcome.ALARM:
                assert (version, start, kind.value) in told
        if window.quality and window.quality.outcome == "degraded":
            assert (version, start, "quality") in told


def test_the_story_has_what_it_claims() -> None:
    for seed in range(6):
        truths: list[GroundTruth] = [truth for one in story(seed) for truth in getattr(one.message, "labels", ())]
        assert len({truth.prediction_id for truth in truths}) < len(truths)
        assert any(label is None for rows in recounted(story(seed)).values() for _, _, label in rows)
