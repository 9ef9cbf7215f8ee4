"""Find what a version was made of, or say why that cannot be told."""

from services.chassis.errors import RejectedError
from services.chassis.work import Transaction
from services.registry.domain import ModelVersion
from services.registry.keys import key_of
from services.registry.models.domain import VersionEntry
from services.registry.models.ports import NamedVersions
from services.registry.ports import Versions

UNTRACED = "an MLflow client logged it; nothing tells its data and its code, so it can't be built again"


async def logged_of(model: str, number: int, tx: Transaction) -> VersionEntry | None:
    """Find a version that was only logged, by its model's name or key; None if there is none."""
    version = await tx.port(NamedVersions).get(key_of(model), number)
    return version if version and not version.is_bundle else None


async def bundle_of(pipeline: str, number: int, tx: Transaction) -> ModelVersion:
    """Find a version that a pipeline's run left.

    Raises:
        RejectedError: There is no such version, or no pipeline made it.
    """
    if version := await tx.port(Versions).get(pipeline, number):
        return version
    if await tx.port(NamedVersions).get(pipeline, number):
        raise RejectedError("bundle_not_found", model=pipeline, version=number, reason=UNTRACED)
    raise RejectedError("version_not_found", model=pipeline, version=number)
