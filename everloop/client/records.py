"""What a registry knows of a version, as its archive keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.archive import RecordedDecision, RecordedMove, VersionRecord
from contracts.model import Digest, Uri
from contracts.registry import GateVerdict
from everloop.client.errors import RefusedError
from everloop.client.platform import Platform


@dataclass(frozen=True, slots=True)
class Kept:
    """A version: what is known of it, and where its bundle is."""

    record: VersionRecord
    bundle_uri: Uri

    @property
    def bundle_digest(self) -> Digest:
        """The bundle's digest."""
        return self.record.bundle_digest


def is_logged(version: Mapping[str, Any]) -> bool:
    """Tell whether a version, as the registry shows it, is what an MLflow client logged: no pipeline's run made it."""
    return version.get("kind") == "logged"


async def number_of(platform: Platform, model: str, which: str | int) -> int:
    """Find the number of a version: it itself, or what an alias points at.

    Raises:
        RefusedError: There is no such model, or the alias points at none of its versions.
    """
    if isinstance(which, int):
        return which
    aliases = (await platform.get("registry", f"/v1/models/{model}"))["aliases"]
    number: int | None = aliases.get(which)
    if number is None:
        raise RefusedError(f"{model} has no {which} yet; see `everloop models {model}`")
    return number


async def version_with_files(platform: Platform, model: str, number: int) -> dict[str, Any]:
    """Ask the registry for a version whose files are needed.

    Raises:
        RefusedError: There is no such version, it was only logged, or its files are gone.
        PlatformUnreachableError: The registry does not answer.
    """
    version: dict[str, Any] = await platform.get("registry", f"/v1/models/{model}/versions/{number}")
    if is_logged(version):
        raise RefusedError(f"{model} {number}: {version['untold']}")
    if collected := version["collected_at"]:
        raise RefusedError(
            f"the files of {model} {number} were collected on {collected[:10]}; see `everloop gc --help`"
        )
    return version


async def kept_version(platform: Platform, model: str, number: int) -> Kept:
    """Ask the registry for a version and the history of its model's aliases.

    Raises:
        RefusedError: There is no such version, or its files are gone.
        PlatformUnreachableError: The registry does not answer.
    """
    version = await version_with_files(platform, model, number)
    aliases = await platform.get("registry", f"/v1/models/{model}/aliases")
    decided = version["decision"]
    record = VersionRecord(
        pipeline=model,
        version=number,
        run_id=version["run_id"],
        bundle_digest=version["bundle_digest"],
        state=version["state"],
        registered_at=version["registered_at"],
        champion_version=version["champion_version"],
        verdicts=tuple(GateVerdict.model_validate(verdict) for verdict in version["verdicts"]),
        decision=RecordedDecision.model_validate(decided) if decided else None,
        moves=tuple(RecordedMove.model_validate(move) for move in aliases["history"]),
    )
    return Kept(record, version["bundle_uri"])
