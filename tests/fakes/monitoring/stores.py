"""Monitoring's ports over a real database, migrated as the service does it."""

from pathlib import Path

import services.monitoring
from services.chassis.database import Database
from services.chassis.schema import migrate
from services.chassis.work import Work
from services.monitoring.alerts.ports import Alerts, Deliveries
from services.monitoring.alerts.store import SqlAlerts, SqlDeliveries
from services.monitoring.ports import Labels, Monitors, Predictions, References, Versions, Windows
from services.monitoring.prediction_store import SqlLabels, SqlPredictions
from services.monitoring.store import SqlMonitors, SqlVersions, SqlWindows
from tests.fakes.monitoring.references import InMemoryReferences

PORTS = (Monitors, Versions, Windows, Predictions, Labels, References)


async def sql_work(database: Database, references: InMemoryReferences) -> Work:
    """Migrate, and give what opens transactions; what is said stays in the outbox."""
    await migrate(database, Path(services.monitoring.__file__).parent / "migrations")
    ports = {
        Monitors: SqlMonitors,
        Versions: SqlVersions,
        Windows: SqlWindows,
        Predictions: SqlPredictions,
        Labels: SqlLabels,
        References: lambda _: references,
        Alerts: SqlAlerts,
        Deliveries: SqlDeliveries,
    }
    return Work("monitoring", database, ports, None)  # type: ignore[arg-type]  # nobody publishes here
