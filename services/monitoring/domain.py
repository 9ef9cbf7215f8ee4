"""Pipelines under watch, labels, and windows of event time: when they close, ripen and are due. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np

from contracts.monitoring import DriftKind
from contracts.pipeline import PipelineDefinition
from services.chassis.subscriptions import Cause
from services.monitoring.counting import Baseline, IntArray
from services.monitoring.drift import DriftVerdict
from services.monitoring.quality import QualityVerdict

Instant = int
"""Microseconds since 1970 in UTC: what rows by the million are stamped with."""

MAX_LEAD = timedelta(days=31)
"""Event times further ahead of the answer are counted but move no clock: one typing error in a year would
otherwise close every window to come."""
DELAY_BINS = 64
RIPE_SHARE = 0.999
"""Share of the labels that, going by the delays measured, are in when a window is ripe."""


def instant(time: datetime) -> Instant:
    """Write an aware time as an instant."""
    return round(time.timestamp() * 1e6)


def instants(times: Sequence[datetime]) -> IntArray:
    """Write aware times as instants, shape (n,)."""
    seconds = np.array([time.timestamp() for time in times], np.float64)
    return np.asarray(np.rint(seconds * 1e6), np.int64)


def moment(stamp: Instant) -> datetime:
    """Read an instant as a time in UTC."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=stamp)


@dataclass(frozen=True, slots=True)
class Label:
    """What really happened, as it was said once.

    Of several for one prediction the latest observation counts; of two for the same instant, the one said last.
    """

    observed_at: Instant
    said_at: Instant
    value: float

    @property
    def rank(self) -> tuple[Instant, Instant, float]:
        """Order labels of one prediction independently of their arrival."""
        return self.observed_at, self.said_at, self.value


def latest(labels: Sequence[Label | None]) -> Label | None:
    """Pick the label that counts."""
    known = [label for label in labels if label]
    return max(known, key=lambda label: label.rank) if len(known) > 1 else known[0] if known else None


@dataclass(frozen=True, slots=True)
class Monitor:
    """A model and how far its time has come. One that was only logged has no pipeline that declares anything of it.

    ``watermark`` is the latest event time of a prediction, ``label_watermark`` the latest observation.
    ``delays`` counts joined labels by how long after the event they were observed, in steps of half a power of
    two of a second. The causes are the messages heard last; verdicts are told as their consequence.
    """

    pipeline: str
    definition: PipelineDefinition | None
    watermark: Instant | None = None
    label_watermark: Instant | None = None
    joined: int = 0
    delays: tuple[int, ...] = (0,) * DELAY_BINS
    served_by: Cause | None = None
    labelled_by: Cause | None = None

    @property
    def declared(self) -> PipelineDefinition:
        """What is declared of a model that has windows: only versions that pipelines made have any."""
        assert self.definition, "windows are a pipeline's"
        return self.definition

    def defined(self, definition: PipelineDefinition) -> "Monitor":
        """Go on by another definition."""
        return replace(self, definition=definition)

    def heard_predictions(self, event_times: IntArray, *, served_at: IntArray, cause: Cause) -> "Monitor":
        """Move on to the latest event time among predictions; both arrays of shape (rows,)."""
        watermark = _later(self.watermark, event_times[event_times <= served_at + _micros(MAX_LEAD)])
        return replace(self, watermark=watermark, served_by=cause)

    def heard_labels(self, labels: Sequence[Label], *, cause: Cause) -> "Monitor":
        """Move on to the latest observation among labels."""
        credible = [label.observed_at for label in labels if label.observed_at <= label.said_at + _micros(MAX_LEAD)]
        return replace(
            self, label_watermark=_later(self.label_watermark, np.array(credible, np.int64)), labelled_by=cause
        )

    def counted(self, joins: Sequence["Join"]) -> "Monitor":
        """Count joins, and how long their labels took."""
        delays = np.array(self.delays, np.int64)
        np.add.at(delays, _delay_bins([join.delay for join in joins]), 1)
        replaced = [join.replaced_delay for join in joins if join.replaced_delay is not None]
        np.subtract.at(delays, _delay_bins(replaced), 1)
        return replace(
            self, joined=self.joined + len(joins) - len(replaced), delays=tuple(int(count) for count in delays)
        )

    @property
    def grace(self) -> timedelta:
        """How long labels may take: until nearly all measured delays are over. Unknown delays take no time."""
        total = sum(self.delays)
        if not total:
            return timedelta(0)
        reached = int(np.searchsorted(np.cumsum(self.delays), RIPE_SHARE * total))
        return timedelta(seconds=2 ** (reached / 2))


@dataclass(frozen=True, slots=True)
class Join:
    """A prediction's label became known, or another than before."""

    prediction_id: str
    version_key: int
    event_at: Instant
    label: Label
    replaced: Label | None = None

    @property
    def is_new(self) -> bool:
        """Tell whether no label was known before."""
        return self.replaced is None

    @property
    def delay(self) -> Instant:
        """From the event to the observation."""
        return self.label.observed_at - self.event_at

    @property
    def replaced_delay(self) -> Instant | None:
        """The same of the label that counted before."""
        return self.replaced.observed_at - self.event_at if self.replaced else None

    @property
    def corrects(self) -> bool:
        """Tell whether a different value counted before."""
        return self.replaced is not None and self.replaced.value != self.label.value


@dataclass(frozen=True, slots=True)
class WatchedVersion:
    """A version that has answered. Its windows begin when its reference is known.

    ``key`` stands for pipeline and number in the store.
    """

    key: int
    pipeline: str
    number: int
    bundle_uri: str | None = None
    bundle_digest: str | None = None
    watched_since: datetime | None = None
    baseline: Baseline | None = None

    def in_bundle(self, uri: str, digest: str) -> "WatchedVersion":
        """Say where the version's bundle is."""
        return replace(self, bundle_uri=uri, bundle_digest=digest)

    def open_window(self, start: Instant) -> "Window":
        """Begin a window, empty."""
        assert self.baseline, "a version without reference has no windows"
        return Window(self.key, start, start + self.window_length, np.zeros(self.baseline.width, np.int64))

    def window_starts(self, event_times: IntArray) -> IntArray:
        """Find the start of the window of each event; windows are aligned to 1970 and as long as a block."""
        return event_times - event_times % self.window_length

    @property
    def window_length(self) -> Instant:
        """Length of a window, in microseconds."""
        assert self.baseline, "a version without reference has no windows"
        return round(self.baseline.reference.block_seconds * 1e6)


class WindowState(StrEnum):
    """How far a window has come. Late rows and labels still amend a closed or a judged one."""

    OPEN = "open"
    CLOSED = "closed"
    JUDGED = "judged"


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What one version did in one stretch of event time, as counts; and what was said of it.

    ``drift_rows``, ``quality_rows`` and ``quality_changes`` are the numbers of predictions and of label changes that
    the verdicts have seen, unset before the first. ``told`` names the facts that were said, each at most once.
    """

    version_key: int
    start: Instant
    end: Instant
    counts: IntArray
    predictions: int = 0
    labelled: int = 0
    label_changes: int = 0
    drift: dict[DriftKind, DriftVerdict] = field(default_factory=dict)
    drift_rows: int | None = None
    quality: QualityVerdict | None = None
    quality_rows: int | None = None
    quality_changes: int | None = None
    told: frozenset[str] = frozenset()

    def with_rows(self, counts: IntArray, rows: int) -> "Window":
        """Add rows."""
        return replace(self, counts=self.counts + counts, predictions=self.predictions + rows)

    def with_labels(self, *, new: int, changes: int) -> "Window":
        """Add labels that are new, among the changes to labels."""
        return replace(self, labelled=self.labelled + new, label_changes=self.label_changes + changes)

    def is_closed(self, monitor: Monitor) -> bool:
        """Tell whether the pipeline's time has passed the end."""
        return monitor.watermark is not None and monitor.watermark >= self.end

    def is_ripe(self, monitor: Monitor) -> bool:
        """Tell whether the labels are in: enough of them, or as many as there will be.

        Some outcomes never become known, so once observations are a window's length and the usual delay past
        the end, no more are waited for.
        """
        if self.labelled >= monitor.declared.monitors.min_labelled_fraction * self.predictions:
            return True
        wait = max(self.end - self.start, _micros(monitor.grace))
        return monitor.label_watermark is not None and monitor.label_watermark >= self.end + wait

    def drift_is_due(self, monitor: Monitor) -> bool:
        """Tell whether drift is to be judged, for the first time or again."""
        return self.is_closed(monitor) and self.drift_rows != self.predictions

    def quality_is_due(self, monitor: Monitor) -> bool:
        """Tell whether quality is to be judged, for the first time or again.

        A verdict that late predictions have made premature is due as well: it is taken back.
        """
        return self.is_closed(monitor) and not self._quality_is_current and (self.is_ripe(monitor) or self.is_judged)

    @property
    def state(self) -> WindowState:
        """How far the verdicts have come."""
        if self.drift_rows is None:
            return WindowState.OPEN
        return WindowState.JUDGED if self.is_judged else WindowState.CLOSED

    @property
    def is_judged(self) -> bool:
        """Tell whether there is a verdict on quality."""
        return self.quality is not None

    @property
    def is_settled(self) -> bool:
        """Tell whether every row and label has been judged."""
        return self.drift_rows == self.predictions and self.is_judged and self._quality_is_current

    @property
    def _quality_is_current(self) -> bool:
        return (self.quality_rows, self.quality_changes) == (self.predictions, self.label_changes)


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _later(mark: Instant | None, stamps: IntArray) -> Instant | None:
    newest = int(stamps.max()) if len(stamps) else None
    return newest if mark is None or (newest is not None and newest > mark) else mark


def _delay_bins(delays: Sequence[Instant]) -> IntArray:
    seconds = np.maximum(np.array(delays, np.float64) / 1e6, 1)
    return np.asarray(np.minimum(np.ceil(2 * np.log2(seconds)), DELAY_BINS - 1), np.int64)
