"""Where a version that a client logged has its files: checked, and followed to the end once, when it is registered.

What a name pointed at then is written down, so that no later change of an alias leads elsewhere, or in a circle.
"""

from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from services.chassis.errors import RejectedError
from services.chassis.work import Transaction
from services.registry.keys import key_of
from services.registry.logged_models.ports import LoggedModels
from services.registry.models.domain import NewVersion, Stage, VersionEntry
from services.registry.models.ports import NamedAliases, NamedVersions
from services.registry.tracking.ports import Runs

MODELS = "models"
RUNS = "runs"
PROXIED = "mlflow-artifacts"
REMOTE = frozenset(
    {MODELS, RUNS, PROXIED, "s3", "gs", "wasbs", "wasb", "abfss", "abfs", "r2", "hdfs", "dbfs", "http", "https"}
)
"""Schemes that are no files of the machine the registry runs on."""
LATEST = "latest"
PROMPTS = frozenset({"dummy-source", "prompt-template"})
"""What MLflow's clients give as the source of a prompt, which has no files."""
LONGEST_NUMBER = 10
"""Digits of a version's number, at most."""
DEEPEST = 8
"""How often a path may be percent-encoded in itself before nobody looks further."""


def _unusable(source: str, why: str) -> RejectedError:
    return RejectedError("invalid_model_version_source", field="source", source=source, why=why)


@dataclass(frozen=True)
class Sources:
    """Follows sources to where the files are, within one transaction."""

    tx: Transaction

    async def follow(self, version: NewVersion) -> NewVersion:
        """Find where the files of a version are, and what run and model made them, where only the source tells.

        Raises:
            RejectedError: It is local, leads out of where it says it is, or names what is not there.
        """
        check_source(version.source)
        match urlsplit(version.source).scheme.lower():
            case "models":
                return await self._named(version)
            case "runs":
                if version.source.removeprefix("runs:").strip("/").split("/")[0] != version.run_id:
                    raise _unusable(version.source, "run_id must name the run that the source names")
                return replace(version, location=version.source)
            case "mlflow-artifacts":
                return await self._proxied(version)
        return replace(version, location=version.source)

    async def _named(self, version: NewVersion) -> NewVersion:
        name, suffix, alias = parse_models_uri(version.source)
        if not suffix and not alias:
            return await self._logged(version, name)
        other = await self._version(version.source, name, suffix, alias)
        for given, known in ((version.run_id, other.run_id), (version.model_id, other.model_id)):
            if given and given != known:
                raise _unusable(version.source, "run_id and model_id must be those of the version it names")
        return replace(
            version,
            source=f"models:/{other.name}/{other.number}",
            location=other.location,
            run_id=other.run_id,
            model_id=other.model_id,
        )

    async def _logged(self, version: NewVersion, model_id: str) -> NewVersion:
        model = await self.tx.port(LoggedModels).get(model_id)
        if model is None or (version.model_id or model_id) != model_id:
            raise _unusable(version.source, "model_id must name the logged model that the source names")
        return replace(
            version,
            location=model.artifact_uri,
            run_id=version.run_id or model.source_run_id,
            model_id=model_id,
        )

    async def _version(self, source: str, name: str, suffix: str, alias: str) -> VersionEntry:
        number = await self._number(name, suffix, alias)
        version = await self.tx.port(NamedVersions).get(key_of(name), number) if number else None
        if version is None or version.name != name:
            raise _unusable(source, "there is no such version")
        return version

    async def _number(self, name: str, suffix: str, alias: str) -> int | None:
        pipeline = key_of(name)
        if alias and alias.lower() != LATEST:
            return await self.tx.port(NamedAliases).find(pipeline, alias)
        if suffix.isdecimal():
            return int(suffix) if len(suffix) <= LONGEST_NUMBER else None
        latest = await self.tx.port(NamedVersions).latest([pipeline])
        if (alias or suffix).lower() != LATEST:
            latest = [version for version in latest if version.stage.value.lower() == suffix.lower()]
        return max((version.number for version in latest), default=None)

    async def _proxied(self, version: NewVersion) -> NewVersion:
        """Make sure that who names files in the registry's own store also names what left them there."""
        if version.model_id:
            model = await self.tx.port(LoggedModels).get(version.model_id)
            root, run_id = (model.artifact_uri, model.source_run_id) if model else (None, None)
        else:
            run = await self.tx.port(Runs).get(version.run_id) if version.run_id else None
            root, run_id = (run.artifact_uri, run.id) if run else (None, None)
        if root is None or not f"{version.source.rstrip('/')}/".startswith(f"{root.rstrip('/')}/"):
            raise _unusable(version.source, "run_id or model_id must name what the source is an artifact of")
        return replace(version, location=version.source, run_id=version.run_id or run_id)


def check_source(source: str) -> None:
    """Refuse what is local or leads out of where it says it is, however often it is encoded.

    Raises:
        RejectedError: It does.
    """
    plain = source
    for _ in range(DEEPEST):
        decoded = unquote(plain)
        if decoded == plain:
            break
        plain = decoded
    else:
        raise _unusable(source, "it is encoded too often")
    if faults := {letter for letter in plain if letter in "#?\\" or not letter.isprintable()}:
        raise _unusable(source, f"{min(faults)!r} must not be in it")
    try:
        parts, given = urlsplit(plain), urlsplit(source)
    except ValueError as error:
        raise _unusable(source, "it is no URI") from error
    if parts.scheme.lower() not in REMOTE or given.scheme != parts.scheme:
        raise _unusable(source, "it is no URI of a remote store, a run or a model")
    if parts.scheme.lower() in (MODELS, RUNS, PROXIED) and (parts.netloc or not parts.path.startswith("/")):
        raise _unusable(source, f"it must be {parts.scheme.lower()}:/…, of this registry")
    if {".", ".."} & set(plain.split("/")):
        raise _unusable(source, "its path must lead nowhere else")
    if "/mlflow-artifacts/" in parts.path and parts.scheme.lower() != PROXIED:
        raise _unusable(source, "files in the registry's own store are mlflow-artifacts:/…")


def parse_models_uri(source: str) -> tuple[str, str, str]:
    """Read ``models:/m-…``, ``models:/name/suffix`` or ``models:/name@alias``.

    Returns:
        A name or the id of a logged model; a number, a stage or ``latest``; an alias. What is not there is empty.

    Raises:
        RejectedError: It is none of these.
    """
    name, *suffixes = source.partition(":")[2].strip("/").split("/")
    if not suffixes:
        name, at, alias = name.rpartition("@") if "@" in name else (name, "", "")
        if name and (alias or not at):
            return name, "", alias
    elif len(suffixes) == 1 and name and (suffixes[0].isdecimal() or suffixes[0].lower() in _SUFFIXES):
        return name, suffixes[0], ""
    raise _unusable(source, "it must be models:/name/version, models:/name@alias or models:/model_id")


_SUFFIXES = {LATEST, *(stage.value.lower() for stage in Stage)}
