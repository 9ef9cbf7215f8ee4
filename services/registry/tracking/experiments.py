"""What becomes of experiments: wishes in, what was done about them out."""

from collections.abc import Mapping

from contracts.message import Message
from contracts.tracking import (
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    ExperimentRestored,
    ExperimentTagged,
    TagChange,
)
from services.chassis.errors import RejectedError
from services.registry.tracking.domain import Experiment, Stage
from services.registry.tracking.limits import check_experiment, check_experiment_tag, check_keys
from services.registry.tracking.ports import Experiments, Runs


async def find(experiment_id: str, experiments: Experiments) -> Experiment:
    """Find an experiment, deleted or not.

    Raises:
        RejectedError: There is none, or that is no experiment's id.
    """
    if not (experiment_id.isascii() and experiment_id.isdigit()):
        raise RejectedError("not_a_number", field="experiment_id", experiment_id=experiment_id[:100])
    experiment = await experiments.get(experiment_id)
    if experiment is None:
        raise RejectedError("experiment_not_found", experiment_id=experiment_id)
    return experiment


async def find_named(name: str, experiments: Experiments) -> Experiment:
    """Find an experiment by its name, deleted or not.

    Raises:
        RejectedError: There is none.
    """
    experiment = await experiments.named(name)
    if experiment is None:
        raise RejectedError("experiment_not_found", name=name)
    return experiment


async def create(
    name: str, experiments: Experiments, *, at_ms: int, location: str | None = None, tags: Mapping[str, str]
) -> tuple[Experiment, Message]:
    """Make an experiment.

    Raises:
        RejectedError: The name is taken, by a deleted experiment perhaps, or something is no good.
    """
    check_experiment(name, location, tags)
    experiment = await experiments.add(name, artifact_location=location, tags=tags, at_ms=at_ms)
    if experiment is None:
        raise await _taken(name, experiments)
    created = ExperimentCreated(
        pipeline=experiment.pipeline,
        experiment_id=experiment.id,
        name=name,
        artifact_location=experiment.artifact_location,
        tags=dict(tags),
        at_ms=at_ms,
    )
    return experiment, created


async def rename(experiment_id: str, name: str, experiments: Experiments, *, at_ms: int) -> list[Message]:
    """Give an experiment another name.

    Raises:
        RejectedError: There is none in use, or the name is taken or no good.
    """
    check_experiment(name, None, {})
    experiment = await find(experiment_id, experiments)
    experiment.must_be_active()
    if name == experiment.name:
        return []
    if not await experiments.put(experiment.renamed(name, at_ms)):
        raise await _taken(name, experiments)
    return [
        ExperimentRenamed(
            pipeline=experiment.pipeline,
            experiment_id=experiment.id,
            name=name,
            previous_name=experiment.name,
            at_ms=at_ms,
        )
    ]


async def delete(experiment_id: str, experiments: Experiments, runs: Runs, *, by: str, at_ms: int) -> list[Message]:
    """Put an experiment and all its runs away.

    Raises:
        RejectedError: There is none in use.
    """
    experiment = await _staged(experiment_id, Stage.DELETED, experiments, runs, at_ms)
    return [ExperimentDeleted(pipeline=experiment.pipeline, experiment_id=experiment.id, deleted_by=by, at_ms=at_ms)]


async def restore(experiment_id: str, experiments: Experiments, runs: Runs, *, at_ms: int) -> list[Message]:
    """Have an experiment and all its runs back.

    Raises:
        RejectedError: There is none that was deleted.
    """
    experiment = await _staged(experiment_id, Stage.ACTIVE, experiments, runs, at_ms)
    return [ExperimentRestored(pipeline=experiment.pipeline, experiment_id=experiment.id, at_ms=at_ms)]


async def set_tag(experiment_id: str, key: str, value: str, experiments: Experiments) -> list[Message]:
    """Set a tag.

    Raises:
        RejectedError: There is no such experiment in use, or the tag is no good.
    """
    check_experiment_tag(key, value)
    experiment = await find(experiment_id, experiments)
    experiment.must_be_active()
    previous = await experiments.set_tag(experiment.id, key, value)
    return [_tagged(experiment, TagChange(key=key, value=value, previous=previous))] if value != previous else []


async def remove_tag(experiment_id: str, key: str, experiments: Experiments) -> list[Message]:
    """Remove a tag.

    Raises:
        RejectedError: There is no such experiment in use, or no such tag.
    """
    check_keys("key", [key])
    experiment = await find(experiment_id, experiments)
    experiment.must_be_active()
    previous = await experiments.set_tag(experiment.id, key, None)
    if previous is None:
        raise RejectedError("tag_not_found", experiment_id=experiment.id, key=key)
    return [_tagged(experiment, TagChange(key=key, previous=previous))]


async def _staged(experiment_id: str, stage: Stage, experiments: Experiments, runs: Runs, at_ms: int) -> Experiment:
    experiment = await find(experiment_id, experiments)
    if experiment.stage is stage:
        raise RejectedError("experiment_not_found", experiment_id=experiment_id, stage=stage.value)
    experiment = experiment.staged(stage, at_ms)
    await experiments.put(experiment)
    await runs.stage_all(experiment.id, stage, at_ms)
    return experiment


async def _taken(name: str, experiments: Experiments) -> RejectedError:
    taken = await experiments.named(name)
    return RejectedError("experiment_already_exists", name=name, stage=taken.stage.value if taken else "deleted")


def _tagged(experiment: Experiment, change: TagChange) -> Message:
    return ExperimentTagged(pipeline=experiment.pipeline, experiment_id=experiment.id, tags=(change,))
