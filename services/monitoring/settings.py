"""Settings of monitoring. What is watched, and how closely, is declared in each pipeline; here, who is told."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from contracts.alerts import AlertKind, Severity
from services.chassis.settings import ServiceSettings, settings_for
from services.monitoring.alerts.channels import Channel
from services.monitoring.alerts.domain import Retry
from services.monitoring.alerts.ports import Routing

ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class MonitoringSettings(ServiceSettings):
    """What an operator can set, as ``EVERLOOP_MONITORING_…`` or under ``[monitoring]``."""

    model_config = settings_for("monitoring")

    channels: dict[ChannelName, Channel] = Field(
        default_factory=dict, description="Who is told of alerts; none: alerts are kept and shown, nobody is told."
    )
    alert_severities: dict[AlertKind, Severity] = Field(
        default_factory=dict, description="Kinds of alerts that are more or less severe than usual."
    )
    alert_remind_after_h: float = Field(
        default=24, gt=0, description="An open alert whose condition is still seen is told again after so long."
    )
    alert_attempts: int = Field(default=12, ge=1, description="How often a channel is tried before a notice is dead.")
    alert_first_retry_s: float = Field(default=5, gt=0, description="Wait after the first failure; doubles.")
    alert_longest_retry_s: float = Field(default=3600, gt=0, description="Longest wait between two tries.")
    alert_stale_after_h: float = Field(
        default=168, gt=0, description="Of what was said longer ago when its turn first comes, nobody is told."
    )
    allow_channels_in_the_clear: bool = Field(
        default=False, description="Whether http:// and mail without TLS may leave this machine."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, channel in self.channels.items():
            if channel.goes_in_the_clear() and not self.allow_channels_in_the_clear:
                raise ValueError(f"channel {name} would tell alerts in the clear: use https, or TLS")
        return self

    def routing(self) -> Routing:
        """Say who is told of what."""
        return Routing(
            routes={name: channel.route() for name, channel in self.channels.items()},
            severities=self.alert_severities,
            remind_after=timedelta(hours=self.alert_remind_after_h),
        )

    def retry(self) -> Retry:
        """Say how patient a delivery is."""
        return Retry(
            attempts=self.alert_attempts,
            first=timedelta(seconds=self.alert_first_retry_s),
            longest=timedelta(seconds=self.alert_longest_retry_s),
        )

    def stale_after(self) -> timedelta:
        """Say when a fact is old news."""
        return timedelta(hours=self.alert_stale_after_h)
