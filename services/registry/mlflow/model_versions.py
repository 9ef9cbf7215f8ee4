"""Model versions: the calls of MLflow's protocol about one version of a model."""

from contracts.message import Message, utc_now
from services.chassis.work import Transaction, Work
from services.registry.keys import key_of
from services.registry.mlflow.calls import Arguments, Method, WaitingMethod
from services.registry.mlflow.errors import Code, MlflowError, refuse_value
from services.registry.mlflow.model_answers import version_answer
from services.registry.mlflow.names import Tag, model_name, tag_key, tag_value, tags_by_key, version_number
from services.registry.mlflow.registered_models import DONE, Answer, stage_named
from services.registry.models import moves, naming
from services.registry.models.domain import IS_PROMPT, NewVersion, Stage, VersionEntry
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.models.sources import PROMPTS, Sources


class CreateVersion(Arguments):
    """What is to be registered."""

    name: str
    source: str
    run_id: str | None = None
    tags: tuple[Tag, ...] = ()
    run_link: str | None = None
    description: str | None = None
    model_id: str | None = None


class Numbered(Arguments):
    """A version of a model."""

    name: str
    version: str


class DescribeVersion(Numbered):
    """A version and its description."""

    description: str | None = None


class TagVersion(Numbered):
    """A version and one of its tags."""

    key: str
    value: str = ""


class UntagVersion(Numbered):
    """A version and the key of one of its tags."""

    key: str


class MoveVersion(Numbered):
    """A version and the stage it is to have; who has it now is put away, if that is wanted."""

    stage: str
    archive_existing_versions: bool = False


async def create(arguments: CreateVersion, tx: Transaction) -> Answer:
    """Register what a client logged."""
    name, tags = model_name(arguments.name), tags_by_key(arguments.tags)
    if not arguments.source:
        refuse_value("Missing value for required parameter 'source'.")
    given = NewVersion(
        source=arguments.source,
        location=arguments.source,
        run_id=arguments.run_id or None,
        run_link=arguments.run_link or None,
        model_id=arguments.model_id or None,
        description=arguments.description,
        tags=tags,
    )
    if tags.get(IS_PROMPT, "").lower() != "true":
        given = await Sources(tx).follow(given)
    elif given.source not in PROMPTS:
        refuse_value(f"A prompt has no files, so its source is one of: {', '.join(sorted(PROMPTS))}.")
    version, fact = await naming.log_version(name, given, tx.port(NamedVersions), at=utc_now())
    tx.say(fact)
    return {"model_version": version_answer(version)}


async def get(arguments: Numbered, tx: Transaction) -> Answer:
    """Get a version."""
    return {"model_version": version_answer(await read_version(*_named(arguments), tx))}


async def update(arguments: DescribeVersion, tx: Transaction) -> Answer:
    """Describe a version in other words."""
    name, number = _named(arguments)
    facts = await naming.describe_version(
        name, number, arguments.description, tx.port(NamedModels), tx.port(NamedVersions), at=utc_now()
    )
    return await _changed(name, number, facts, tx)


async def transition(arguments: MoveVersion, work: Work) -> Answer:
    """Give a version another stage: what the stage means is decided as everywhere."""
    name, number = _named(arguments)
    stage = stage_named(arguments.stage)
    if arguments.archive_existing_versions and stage not in (Stage.STAGING, Stage.PRODUCTION):
        refuse_value(f"Versions are put away for one in Staging or Production, not in {stage.value}.")
    archive_others = arguments.archive_existing_versions
    await moves.give_stage(name, number, stage, work, by=arguments.claimed_by, archive_others=archive_others)
    async with work.transaction(write=False) as tx:
        return {"model_version": version_answer(await read_version(name, number, tx))}


async def delete(arguments: Numbered, tx: Transaction) -> Answer:
    """Delete a version."""
    name, number = _named(arguments)
    models, versions = tx.port(NamedModels), tx.port(NamedVersions)
    _say(await naming.delete_version(name, number, models, versions, by=arguments.claimed_by, at=utc_now()), tx)
    return DONE


async def download_uri(arguments: Numbered, tx: Transaction) -> Answer:
    """Tell where a version's files are."""
    return {"artifact_uri": (await read_version(*_named(arguments), tx)).location}


async def set_tag(arguments: TagVersion, tx: Transaction) -> Answer:
    """Give a version's tag another value."""
    return await _tag(arguments, tag_key(arguments.key), tag_value(arguments.value), tx)


async def delete_tag(arguments: UntagVersion, tx: Transaction) -> Answer:
    """Remove a version's tag."""
    return await _tag(arguments, tag_key(arguments.key), None, tx)


async def read_version(name: str, number: int, tx: Transaction) -> VersionEntry:
    """Find a version by its model's name and its number.

    Raises:
        MlflowError: There is none.
    """
    version = await tx.port(NamedVersions).get(key_of(name), number)
    if version is None or version.name != name:
        raise MlflowError(Code.RESOURCE_DOES_NOT_EXIST, f"Model Version (name={name}, version={number}) not found")
    return version


async def _tag(arguments: Numbered, key: str, value: str | None, tx: Transaction) -> Answer:
    name, number = _named(arguments)
    models, versions = tx.port(NamedModels), tx.port(NamedVersions)
    _say(await naming.tag_version(name, number, key, value, models, versions, at=utc_now()), tx)
    return DONE


def _named(arguments: Numbered) -> tuple[str, int]:
    return model_name(arguments.name), version_number(arguments.version)


async def _changed(name: str, number: int, facts: list[Message], tx: Transaction) -> Answer:
    _say(facts, tx)
    return {"model_version": version_answer(await read_version(name, number, tx))}


def _say(facts: list[Message], tx: Transaction) -> None:
    for fact in facts:
        tx.say(fact)


_AT = "/mlflow/model-versions"
METHODS: tuple[Method, ...] = (
    Method("POST", f"{_AT}/create", CreateVersion, create),
    Method("GET", f"{_AT}/get", Numbered, get),
    Method("PATCH", f"{_AT}/update", DescribeVersion, update),
    WaitingMethod("POST", f"{_AT}/transition-stage", MoveVersion, transition),
    Method("DELETE", f"{_AT}/delete", Numbered, delete),
    Method("GET", f"{_AT}/get-download-uri", Numbered, download_uri),
    Method("POST", f"{_AT}/set-tag", TagVersion, set_tag),
    Method("DELETE", f"{_AT}/delete-tag", UntagVersion, delete_tag),
)
