"""Composition root of monitoring."""

from services.chassis.service import Service
from services.chassis.work import Reconciler
from services.monitoring import api, handlers
from services.monitoring.judging import judge_windows
from services.monitoring.ports import Labels, Monitors, Predictions, References, Versions, Windows
from services.monitoring.prediction_store import SqlLabels, SqlPredictions
from services.monitoring.references import BundleReferences
from services.monitoring.settings import MonitoringSettings
from services.monitoring.store import SqlMonitors, SqlVersions, SqlWindows


def build(settings: MonitoringSettings) -> Service:
    """Put the service together."""
    references = BundleReferences()
    return Service(
        name="monitoring",
        settings=settings,
        subscriptions=handlers.SUBSCRIPTIONS,
        ports={
            Monitors: SqlMonitors,
            Versions: SqlVersions,
            Windows: SqlWindows,
            Predictions: SqlPredictions,
            Labels: SqlLabels,
            References: lambda _: references,
        },
        router=api.router,
        reconcilers=(Reconciler(judge_windows),),
    )


def main() -> None:
    """Run until asked to stop."""
    build(MonitoringSettings.load()).run()


if __name__ == "__main__":
    main()
