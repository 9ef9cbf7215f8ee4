"""Settings of monitoring. What is watched, and how closely, is declared in each pipeline."""

from services.chassis.settings import ServiceSettings, settings_for


class MonitoringSettings(ServiceSettings):
    """Settings of monitoring."""

    model_config = settings_for("monitoring")
