"""Composition root of monitoring."""

from fastapi import APIRouter

from services.chassis.service import Service
from services.chassis.work import Reconciler
from services.monitoring import api, handlers
from services.monitoring.alerts import ports as alert_ports
from services.monitoring.alerts.api import router as alerts_router
from services.monitoring.alerts.courier import Courier
from services.monitoring.alerts.store import SqlAlerts, SqlDeliveries
from services.monitoring.judging import judge_windows
from services.monitoring.ports import Labels, Monitors, Predictions, References, Versions, Windows
from services.monitoring.prediction_store import SqlLabels, SqlPredictions
from services.monitoring.references import BundleReferences
from services.monitoring.settings import MonitoringSettings
from services.monitoring.store import SqlMonitors, SqlVersions, SqlWindows


def build(settings: MonitoringSettings) -> Service:
    """Put the service together."""
    references = BundleReferences()
    routing = settings.routing()
    courier = Courier(settings.channels, routing, settings.retry(), stale_after=settings.stale_after())
    router = APIRouter()
    router.include_router(api.router)
    router.include_router(alerts_router)
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
            alert_ports.Alerts: SqlAlerts,
            alert_ports.Deliveries: SqlDeliveries,
            alert_ports.Routing: lambda _: routing,
        },
        router=router,
        reconcilers=(Reconciler(judge_windows), Reconciler(courier.step)),
    )


def main() -> None:
    """Run until asked to stop."""
    build(MonitoringSettings.load()).run()


if __name__ == "__main__":
    main()
