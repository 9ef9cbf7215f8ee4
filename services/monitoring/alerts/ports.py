"""What alerts need from outside."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from contracts.alerts import AlertKind, Severity
from services.monitoring.alerts.domain import Alert, Delivery, Relief, Standing


class Alerts(Protocol):
    """The alerts there are and were."""

    async def hold(self, pipeline: str) -> Standing:
        """Get where a pipeline stands, and keep every other transaction off its alerts until this one ends."""
        ...

    async def stand(self, standing: Standing) -> None:
        """Keep where a pipeline stands."""
        ...

    async def relieve(self, pipeline: str, relief: Relief, at: datetime) -> None:
        """Keep when a condition was last said to be over."""
        ...

    async def relieved_at(self, pipeline: str, kind: AlertKind, about: str) -> datetime | None:
        """Say when a condition was last said to be over."""
        ...

    async def open(self, pipeline: str) -> list[Alert]:
        """List a pipeline's open alerts."""
        ...

    async def get(self, alert_id: UUID) -> Alert | None:
        """Get an alert."""
        ...

    async def save(self, alert: Alert) -> None:
        """Add an alert or replace it."""
        ...

    async def newest(self, *, pipeline: str | None, only_open: bool, limit: int) -> list[Alert]:
        """List alerts, those first that were heard of last."""
        ...

    async def waking(self, now: datetime) -> list[Alert]:
        """List open alerts whose snooze is over."""
        ...


class Deliveries(Protocol):
    """Notices on their way to channels."""

    async def add(self, deliveries: Iterable[Delivery]) -> None:
        """Put notices on their way; again changes nothing."""
        ...

    async def save(self, delivery: Delivery) -> None:
        """Note what became of one."""
        ...

    async def due(self, now: datetime) -> set[str]:
        """Name the channels that there is something to be sent to now."""
        ...

    async def next(self, channel: str, now: datetime, *, limit: int) -> list[Delivery]:
        """List notices to be sent to a channel now, oldest first."""
        ...

    async def of(self, alert_id: UUID) -> list[Delivery]:
        """List an alert's, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """Which alerts a channel is told of.

    Attributes:
        min_severity: The least.
        pipelines: Only of these; none: of all.
        kinds: Only these; none: all.
        tell_resolved: Whether it is told that an alert it was told of is over.
    """

    min_severity: Severity = Severity.WARNING
    pipelines: frozenset[str] = frozenset()
    kinds: frozenset[AlertKind] = frozenset()
    tell_resolved: bool = True

    def takes(self, alert: Alert) -> bool:
        """Tell whether an alert goes this way."""
        return (
            alert.finding.severity.rank >= self.min_severity.rank
            and (not self.pipelines or alert.pipeline in self.pipelines)
            and (not self.kinds or alert.finding.kind in self.kinds)
        )


@dataclass(frozen=True, slots=True)
class Routing:
    """Who is told of what, as the settings say.

    Attributes:
        routes: By the channel's name.
        severities: Kinds that are more or less severe than usual.
        remind_after: An alert that is still seen so long after channels were told is told again.
    """

    routes: Mapping[str, Route] = field(default_factory=dict)
    severities: Mapping[AlertKind, Severity] = field(default_factory=dict)
    remind_after: timedelta = timedelta(days=1)
