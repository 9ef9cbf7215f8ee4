"""Training's composition root."""

from datetime import timedelta

from services.chassis.jobs import Jobs
from services.chassis.ray_jobs import RayJobs
from services.chassis.service import Service
from services.chassis.work import Ports, Reconciler
from services.training import api, handlers
from services.training.driving import Driver, Entrypoint
from services.training.ports import Causes, Pipelines, RunFiles, Runs
from services.training.reminders import Reminders
from services.training.rows import TrainingRow
from services.training.run_files import StoredRunFiles
from services.training.settings import TrainingSettings
from services.training.store import SqlCauses, SqlPipelines, SqlRuns


def build(settings: TrainingSettings) -> Service:
    """Put training together."""
    cluster = RayJobs(settings.ray_url, token_path=settings.ray_token_path)
    return assemble(settings, cluster, StoredRunFiles(settings.store_uri))


def assemble(settings: TrainingSettings, cluster: Jobs, files: RunFiles) -> Service:
    """Put training together on a given cluster and store."""
    entrypoint = Entrypoint(
        python=settings.job_python,
        cache=str(settings.job_cache or settings.home / "code"),
        otlp_endpoint=settings.otlp_endpoint,
    )
    driver = Driver(cluster, files, entrypoint, timedelta(seconds=settings.progress_interval_s))
    ports: Ports = {
        Pipelines: SqlPipelines,
        Runs: SqlRuns,
        Causes: SqlCauses,
        Jobs: lambda _: cluster,
        RunFiles: lambda _: files,
    }
    return Service(
        "training",
        settings,
        handlers.SUBSCRIPTIONS,
        ports,
        router=api.router,
        reconcilers=(Reconciler(driver.step, every_s=settings.poll_interval_s), Reconciler(Reminders().step)),
        rows=TrainingRow,
    )


def main() -> None:
    """Run training until it is told to stop."""
    build(TrainingSettings.load()).run()


if __name__ == "__main__":
    main()
