"""Settings of the ingestion service."""

from pathlib import Path

from pydantic import Field

from services.chassis.settings import ServiceSettings, settings_for


class IngestionSettings(ServiceSettings):
    """Bounds on what is taken in: ``EVERLOOP_INGESTION_<FIELD>`` or the table ``[ingestion]``."""

    model_config = settings_for("ingestion")

    allowed_roots: tuple[Path, ...] = Field(
        default=(), description="Directories local files may be ingested from; none: anywhere the service can read."
    )
    max_batch_bytes: int = Field(default=512 * 1024**2, gt=0, description="Largest file taken by its URI.")
    max_body_bytes: int = Field(default=512 * 1024**2, gt=0, description="Largest upload.")
    max_expanded_bytes: int = Field(
        default=2 * 1024**3, gt=0, description="Most bytes a compressed file may unfold to in memory."
    )
    max_attempts: int = Field(
        default=10, ge=1, description="Tries of a batch whose source does not answer, or that meets a fault of ours."
    )
    max_diff_rows: int = Field(default=5_000_000, gt=0, description="Largest version that is compared row by row.")
    concurrency: int = Field(default=2, ge=1, description="Pipelines whose batches are worked on at the same time.")
