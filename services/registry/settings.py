"""Settings of the registry."""

from pydantic import Field

from services.chassis.settings import ServiceSettings, settings_for


class RegistrySettings(ServiceSettings):
    """What an operator can set, as ``EVERLOOP_REGISTRY_…`` or under ``[registry]``."""

    model_config = settings_for("registry")

    inspection_attempts: int = Field(
        default=8, ge=1, description="How often a store that does not answer is asked for one bundle."
    )
