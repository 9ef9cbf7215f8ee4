"""Ingestion's composition root."""

from everloop import storage
from services.chassis.service import Service
from services.chassis.work import Ports, Reconciler
from services.ingestion import api, handlers
from services.ingestion.archive import StoredArchive
from services.ingestion.differences import LakeDifferences
from services.ingestion.intake import Intake, Limits
from services.ingestion.lake import DeltaLake
from services.ingestion.ports import Archive, Batches, Differences, Pipelines, Uploads, Versions
from services.ingestion.settings import IngestionSettings
from services.ingestion.sources import UriSources
from services.ingestion.spool import Spool
from services.ingestion.store import IngestionRow, SqlBatches, SqlPipelines, SqlVersions
from services.ingestion.uploads import SpooledUploads


def build(settings: IngestionSettings) -> Service:
    """Put ingestion together."""
    archive, lake = StoredArchive(settings.store_uri), DeltaLake(storage.join(settings.store_uri, "lake"))
    spool = Spool(settings.home / "ingestion" / "spool")
    uploads = SpooledUploads(archive, spool=spool)
    differences = LakeDifferences(lake, max_rows=settings.max_diff_rows)
    intake = Intake(
        lake,
        archive,
        UriSources(allowed_roots=settings.allowed_roots, max_bytes=settings.max_batch_bytes),
        limits=Limits(
            max_expanded_bytes=settings.max_expanded_bytes,
            max_attempts=settings.max_attempts,
            concurrency=settings.concurrency,
        ),
        spool=spool,
    )
    ports: Ports = {
        Pipelines: SqlPipelines,
        Batches: SqlBatches,
        Versions: SqlVersions,
        Archive: lambda _: archive,
        Uploads: lambda _: uploads,
        Differences: lambda _: differences,
    }
    return Service(
        "ingestion",
        settings,
        handlers.SUBSCRIPTIONS,
        ports,
        router=api.router,
        reconcilers=(Reconciler(intake.step),),
        rows=IngestionRow,
    )


def main() -> None:
    """Run ingestion until it is told to stop."""
    build(IngestionSettings.load()).run()


if __name__ == "__main__":
    main()
