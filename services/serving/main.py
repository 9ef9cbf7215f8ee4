"""The composition root of serving."""

from datetime import timedelta

from fastapi import APIRouter

from services.chassis.jobs import Jobs
from services.chassis.ray_jobs import RayJobs
from services.chassis.service import Service
from services.chassis.work import Reconciler
from services.serving import api, handlers, rollout_api
from services.serving.board import BusBoard
from services.serving.driving import Driver
from services.serving.inferences import api as inferences_api
from services.serving.inferences.waking import Waker
from services.serving.inspecting import Inspector
from services.serving.ports import Board, Cluster, Deployments, Rollouts
from services.serving.precompute import api as precompute_api
from services.serving.precompute.driving import PrecomputeDriver, lookup_of
from services.serving.precompute.files import StoredPredictionFiles
from services.serving.precompute.ports import Plans, Precomputations
from services.serving.precompute.retention import Retention
from services.serving.precompute.store import SqlPlans, SqlPrecomputations
from services.serving.ray_serve import RayServe
from services.serving.score_cells import BundleScoreCells
from services.serving.settings import ServingSettings
from services.serving.store import ServingRow, SqlDeployments, SqlRollouts

RETIRE_EVERY_S = 300.0


def build(settings: ServingSettings) -> Service:
    """Put serving together."""
    jobs = RayJobs(settings.ray_url, token_path=settings.ray_token_path)
    return assemble(settings, RayServe(settings), jobs)


def assemble(settings: ServingSettings, cluster: Cluster, jobs: Jobs) -> Service:
    """Put serving together on a given cluster."""
    flip_timeout = timedelta(seconds=settings.flip_timeout_s)
    driver = Driver(cluster, BusBoard, BundleScoreCells(), lookup_of=lookup_of, flip_timeout=flip_timeout)
    inspector = Inspector(lambda: driver.board, timedelta(seconds=settings.diverged_after_s))
    files = StoredPredictionFiles(settings.store_uri)
    precompute = PrecomputeDriver(jobs, files, settings.job_python, settings.otlp_endpoint)
    retention = Retention(jobs, files, lambda: driver.board, timedelta(days=settings.keep_lookups_days))
    router = APIRouter()
    for part in (api.router, rollout_api.router, precompute_api.router, inferences_api.router):
        router.include_router(part)
    return Service(
        "serving",
        settings,
        handlers.SUBSCRIPTIONS,
        {
            Deployments: SqlDeployments,
            Rollouts: SqlRollouts,
            Board: lambda _: driver.board,
            Cluster: lambda _: cluster,
            Plans: SqlPlans,
            Precomputations: SqlPrecomputations,
        },
        router=router,
        reconcilers=(
            Reconciler(driver.step),
            Reconciler(inspector.step),
            Reconciler(precompute.step),
            Reconciler(retention.step, every_s=RETIRE_EVERY_S, woken=False),
            Reconciler(Waker(cluster).step),
        ),
        rows=ServingRow,
    )


def main() -> None:
    """Run serving until it is told to stop."""
    build(ServingSettings.load()).run()


if __name__ == "__main__":
    main()
