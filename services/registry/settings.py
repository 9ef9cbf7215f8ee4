"""Settings of the registry."""

from datetime import timedelta

from pydantic import Field

from services.chassis.settings import ServiceSettings, settings_for
from services.registry.garbage.domain import Rules


class RegistrySettings(ServiceSettings):
    """What an operator can set, as ``EVERLOOP_REGISTRY_…`` or under ``[registry]``."""

    model_config = settings_for("registry")

    inspection_attempts: int = Field(
        default=8, ge=1, description="How often a store that does not answer is asked for one bundle."
    )
    max_artifact_bytes: int = Field(
        default=8 * 1024**3, gt=0, description="Of one file that a client of MLflow's protocol uploads."
    )
    packing_timeout_s: float = Field(
        default=90, gt=0, description="Longest that opening and trying a logged model may take, once it is champion."
    )
    keep_deleted_days: float = Field(
        default=30, ge=0, description="What people deleted can be restored for so long; then `everloop gc` may take it."
    )
    keep_failed_days: float = Field(
        default=30, ge=0, description="So long `everloop gc` leaves the files of training runs that failed."
    )
    keep_refused_days: float | None = Field(
        default=None,
        ge=0,
        description="So long `everloop gc` leaves the files of versions that were refused; unset, for ever.",
    )

    def retention(self) -> Rules:
        """Say for how long what is of no use is kept."""
        refused = self.keep_refused_days
        return Rules(
            deleted=timedelta(days=self.keep_deleted_days),
            failed=timedelta(days=self.keep_failed_days),
            refused=None if refused is None else timedelta(days=refused),
        )
