"""The registry's composition root."""

from fastapi import APIRouter

from everloop import storage
from services.chassis.service import Service
from services.chassis.work import Reconciler
from services.registry import api, handlers
from services.registry.artifacts.holders import SqlHolders
from services.registry.artifacts.ports import Artifacts, Holders
from services.registry.artifacts.store import StoredArtifacts
from services.registry.bundles import StoredBundles
from services.registry.expiry import Expirer
from services.registry.garbage.api import garbage_router
from services.registry.garbage.collecting import Collector, Eraser
from services.registry.garbage.files import StoredFiles
from services.registry.garbage.places import ARTIFACTS
from services.registry.garbage.ports import Erasures, Heap
from services.registry.garbage.store import SqlErasures, SqlHeap
from services.registry.inspection import Inspector
from services.registry.logged_models.ports import LoggedModels
from services.registry.logged_models.store import SqlLoggedModels
from services.registry.mlflow.artifacts import FILES_BELOW, artifact_routes
from services.registry.mlflow.edge import ROOTS, mlflow_routes
from services.registry.models import api as models_api
from services.registry.models.ports import NamedAliases, NamedModels, NamedVersions
from services.registry.models.store import SqlNamedAliases, SqlNamedModels
from services.registry.models.versions import SqlNamedVersions
from services.registry.packing.ports import Packing
from services.registry.packing.store import StoredPacking
from services.registry.past import api as past_api
from services.registry.past.ports import Lives, State
from services.registry.past.store import SqlLives, SqlState
from services.registry.ports import AliasHistory, Inspections, Models, Versions
from services.registry.provenance import api as provenance_api
from services.registry.provenance.ports import Origins, Papers, Sides
from services.registry.provenance.store import SqlOrigins, StoredPapers, StoredSides
from services.registry.rows import Row
from services.registry.search.logged_models import SqlLoggedModelSearch
from services.registry.search.models import SqlModelSearch
from services.registry.search.ports import LoggedModelSearch, ModelSearch, TrackingSearch
from services.registry.search.tracking import SqlTrackingSearch
from services.registry.settings import RegistrySettings
from services.registry.store import SqlAliasHistory, SqlInspections, SqlModels, SqlVersions
from services.registry.tracking import api as tracking_api
from services.registry.tracking.log import SqlLog, SqlMetricHistory
from services.registry.tracking.ports import Experiments, Log, MetricHistory, Runs
from services.registry.tracking.store import SqlExperiments, SqlRuns

PORTS = {
    Models: SqlModels,
    Versions: SqlVersions,
    AliasHistory: SqlAliasHistory,
    Inspections: SqlInspections,
    State: SqlState,
    Lives: SqlLives,
    Experiments: SqlExperiments,
    Runs: SqlRuns,
    Log: SqlLog,
    MetricHistory: SqlMetricHistory,
    TrackingSearch: SqlTrackingSearch,
    ModelSearch: SqlModelSearch,
    LoggedModelSearch: SqlLoggedModelSearch,
    LoggedModels: SqlLoggedModels,
    Holders: SqlHolders,
    NamedModels: SqlNamedModels,
    NamedVersions: SqlNamedVersions,
    NamedAliases: SqlNamedAliases,
    Origins: SqlOrigins,
    Heap: SqlHeap,
    Erasures: SqlErasures,
}


def build(settings: RegistrySettings) -> Service:
    """Put the registry together."""
    inspector = Inspector(StoredBundles(), max_attempts=settings.inspection_attempts)
    artifacts_uri = storage.join(settings.store_uri, ARTIFACTS)
    artifacts = StoredArtifacts(artifacts_uri)
    packing = StoredPacking(settings.store_uri, artifacts_uri, timeout_s=settings.packing_timeout_s)
    files = StoredFiles(settings.store_uri)
    return Service(
        "registry",
        settings,
        handlers.SUBSCRIPTIONS,
        {
            **PORTS,
            Sides: lambda _: StoredSides(),
            Papers: lambda _: StoredPapers(),
            Artifacts: lambda _: artifacts,
            Packing: lambda _: packing,
        },
        router=_routers(
            api.router,
            models_api.router,
            past_api.router,
            provenance_api.router,
            tracking_api.router,
            garbage_router(Collector(files), settings.retention()),
        ),
        routes=mlflow_routes(*artifact_routes(artifacts)),
        reconcilers=(
            Reconciler(inspector.step),
            Reconciler(Expirer().step, woken=False),
            Reconciler(Eraser(files).step),
        ),
        rows=Row,
        max_bytes_below={root + FILES_BELOW: settings.max_artifact_bytes for root in ROOTS},
    )


def _routers(*parts: APIRouter) -> APIRouter:
    whole = APIRouter()
    for part in parts:
        whole.include_router(part)
    return whole


def main() -> None:
    """Run the registry until it is told to stop."""
    build(RegistrySettings.load()).run()


if __name__ == "__main__":
    main()
