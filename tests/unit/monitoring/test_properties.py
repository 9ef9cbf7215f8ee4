"""Whatever the order in which messages arrive, windows end as a recount of everything from scratch would have them."""

from bisect import bisect_right
from collections import defaultdict
from datetime import datetime

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.monitoring import DataBroken, DriftDetected, GroundTruth, QualityDegraded, RecordGroundTruth
from services.monitoring.comparing import compare
from services.monitoring.domain import Monitor, Window, instant
from services.monitoring.drift import DriftOutcome
from services.monitoring.ports import Monitors, Versions, Windows
from services.monitoring.quality import Labelled, QualityVerdict, judge_quality
from services.monitoring.sequence import begin, reference_of, resume
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


Row = tuple[int, dict[str, object], float, float | None]


def recounted(said: list[Said]) -> dict[tuple[int, int], list[Row]]:
    """Per window, its rows: event time, inputs, score, and the label that counts."""
    labels: dict[str, list[tuple[int, datetime, float]]] = defaultdict(list)
    for one in said:
        if isinstance(one.message, RecordGroundTruth):
            for truth in one.message.labels:
                labels[truth.prediction_id].append((instant(truth.observed_at), one.at, truth.label))
    rows: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for one in said:
        for batch in getattr(one.message, "batches", ()):
            for row, (id_, time) in enumerate(zip(batch.prediction_ids, batch.event_times, strict=True)):
                values = {name: column[row] for name, column in batch.inputs.items()}
                label = max(labels[id_])[2] if labels[id_] else None
                rows[batch.version, instant(time) // HOUR * HOUR].append(
                    (instant(time), values, batch.scores[row], label)
                )
    return rows


def cell(name: str, value: object) -> int:
    described = {feature.name: feature.cells for feature in (*REFERENCE.inputs, REFERENCE.score)}[name]
    if described.kind == "numeric":
        return len(described.edges) + 1 if value is None else bisect_right(described.edges, value)
    return {"de": 0, "fr": 1, "nl": 2}[str(value)]


def recount(window: Window, rows: list[Row]) -> Window:
    """Count a window's rows from scratch, one by one."""
    counts = []
    for feature in (*REFERENCE.inputs, REFERENCE.score):
        values = [score if feature.name == "score" else inputs[feature.name] for _, inputs, score, _ in rows]
        cells = [cell(feature.name, value) for value in values]
        counts.append(np.bincount(cells, minlength=len(feature.block_counts[0])))
    return Window(window.version_key, window.start, window.end, np.concatenate(counts), predictions=len(rows))


def expected_quality(rows: list[Row]) -> QualityVerdict:
    known = [(time, score, label) for time, _, score, label in rows if label is not None]
    return judge_quality(
        Labelled(
            np.array([time for time, _, _ in known]),
            np.array([score for _, score, _ in known]),
            np.array([label for _, _, label in known]),
        ),
        predictions=len(rows),
        metric="auc",
        reference=reference_of(REFERENCE, "auc"),
        max_drop=0.03,
        confidence=0.95,
        min_rows=MIN_ROWS,
    )


def expected_sequence(
    windows: dict[tuple[int, int], Window], rows: dict[tuple[int, int], list[Row]], monitor: Monitor
) -> dict[tuple[int, int], QualityVerdict | None]:
    """Judge each version's windows in one go, in the order of time."""
    expected = {}
    for version in {version for version, _ in windows}:
        places = sorted(place for place in windows if place[0] == version)
        mature = [windows[place].is_closed(monitor) and windows[place].is_ripe(monitor) for place in places]
        verdicts = [
            expected_quality(rows[place]) if is_in else None for place, is_in in zip(places, mature, strict=True)
        ]
        weighed = resume(begin(examples.QUALITY_BLOCKS), verdicts, run_length=1000)
        expected.update(zip(places, weighed, strict=True))
    return expected


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
    quality = expected_sequence(windows, rows, monitor)
    for place, window in windows.items():
        assert window.predictions == len(rows[place])
        assert window.labelled == sum(label is not None for _, _, _, label in rows[place])
        batch = recount(window, rows[place])
        assert (window.counts == batch.counts).all()
        past = [recount(windows[one], rows[one]) for one in sorted(windows) if one[0] == place[0] and one[1] < place[1]]
        version = await world.ports[Versions].see(examples.PIPELINE, place[0])
        expected = compare(batch, past, version, monitor.declared) if window.is_closed(monitor) else {}
        assert window.drift == expected
        assert window.quality == quality[place]


@given(st.integers(0, 5), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
async def test_every_alarm_is_told_exactly_once(seed: int, data: st.DataObject) -> None:
    said = story(seed)
    order = data.draw(st.permutations(said))
    judge_after = data.draw(st.lists(st.booleans(), min_size=len(said), max_size=len(said)))

    world, windows = await lived(order, judge_after)

    told = []
    for fact in world.facts:
        assert isinstance(fact, DriftDetected | DataBroken | QualityDegraded)
        kind = "quality"
        if not isinstance(fact, QualityDegraded):
            kind = fact.drift.value if isinstance(fact, DriftDetected) else f"broken_{fact.breakage}"
        told.append((fact.version, instant(fact.window_start), kind))
    assert len(set(told)) == len(told)
    for (version, start), window in windows.items():
        for kind, verdict in window.drift.items():
            if verdict.outcome is DriftOutcome.ALARM:
                assert (version, start, kind.value) in told
            if verdict.recent and verdict.recent.outcome is DriftOutcome.ALARM:
                assert (version, start, f"broken_{kind.value}") in told
        if window.quality and window.quality.outcome == "degraded":
            assert (version, start, "quality") in told


def test_the_story_has_what_it_claims() -> None:
    for seed in range(6):
        truths: list[GroundTruth] = [truth for one in story(seed) for truth in getattr(one.message, "labels", ())]
        assert len({truth.prediction_id for truth in truths}) < len(truths)
        assert any(label is None for rows in recounted(story(seed)).values() for *_, label in rows)
