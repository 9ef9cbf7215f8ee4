"""Settings of the registry."""

from pydantic import Field

from services.chassis.settings import ServiceSettings, settings_for


class RegistrySettings(ServiceSettings):
    """What an operator can set, as ``EVERLOOP_REGISTRY_…`` or under ``[registry]``."""

    model_config = settings_for("registry")

    inspection_attempts: int = Field(
        default=8, ge=1, description="How often a store that does not answer is asked for one bundle."
    )
    max_artifact_bytes: int = Field(
        default=8 * 1024**3, gt=0, description="Of one file that a client of MLflow's protocol uploads."
    )
