"""What is said when logged models change, and what is refused."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from contracts.envelope import MAX_BODY_BYTES
from contracts.logged_models import (
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelDescribed,
    LoggedModelFinalized,
)
from contracts.tracking import TagChange
from services.chassis.errors import MalformedError, RejectedError
from services.registry.logged_models import changes
from services.registry.logged_models.changes import Wish
from services.registry.logged_models.domain import ModelStatus
from services.registry.tracking.domain import Experiment, Stage
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.logged_models import InMemoryLoggedModels

DIGITS = "0123456789abcdef" * 2
MODEL = f"m-{DIGITS}"
FLIGHTS = Experiment("1", PIPELINE, PIPELINE, "mlflow-artifacts:/1", Stage.ACTIVE, created_ms=0, updated_ms=0)


class OneExperiment:
    """Knows one experiment."""

    def __init__(self, experiment: Experiment = FLIGHTS) -> None:
        self._experiment = experiment

    async def add(
        self, name: str, *, artifact_location: str | None, tags: Mapping[str, str], at_ms: int
    ) -> Experiment | None:
        raise NotImplementedError

    async def get(self, experiment_id: str) -> Experiment | None:
        return self._experiment if experiment_id == self._experiment.id else None

    async def named(self, name: str) -> Experiment | None:
        raise NotImplementedError

    async def put(self, experiment: Experiment) -> bool:
        raise NotImplementedError

    async def set_tag(self, experiment_id: str, key: str, value: str | None) -> str | None:
        raise NotImplementedError


@pytest.fixture
def models() -> InMemoryLoggedModels:
    return InMemoryLoggedModels()


async def logged(models: InMemoryLoggedModels, **more: Any) -> list[Any]:
    """Log a model; gives what was said."""
    wish = Wish("1", **{"name": "trees", **more})
    return (await changes.create(wish, models, OneExperiment(), digits=DIGITS, at_ms=5))[1]


async def test_created_model_waits_for_its_files(models: InMemoryLoggedModels) -> None:
    said = await logged(models, model_type="sklearn", params={"depth": "3"}, tags={"team": "delays"})

    uri = f"mlflow-artifacts:/1/models/{MODEL}/artifacts"
    assert said == [
        LoggedModelCreated(
            pipeline=PIPELINE,
            model_id=MODEL,
            experiment_id="1",
            name="trees",
            model_type="sklearn",
            artifact_uri=uri,
            params={"depth": "3"},
            tags={"team": "delays"},
            at_ms=5,
        )
    ]
    kept = await changes.find(MODEL, models)
    assert (kept.status, kept.artifact_uri, kept.created_ms) == (ModelStatus.PENDING, uri, 5)


async def test_model_that_nobody_named_has_a_name(models: InMemoryLoggedModels) -> None:
    (created,) = await logged(models, name="")

    assert created.name


@pytest.mark.parametrize("more", [{"name": "a/b"}, {"name": "a:b"}, {"params": {"": "x"}}])
async def test_what_could_not_be_found_again_is_refused(models: InMemoryLoggedModels, more: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        await logged(models, **more)


@pytest.mark.parametrize("experiment", [replace(FLIGHTS, id="2"), replace(FLIGHTS, stage=Stage.DELETED)])
async def test_model_needs_an_experiment_in_use(models: InMemoryLoggedModels, experiment: Experiment) -> None:
    with pytest.raises(RejectedError):
        await changes.create(Wish("1"), models, OneExperiment(experiment), digits=DIGITS, at_ms=5)


async def test_finalizing_tells_what_the_status_was(models: InMemoryLoggedModels) -> None:
    await logged(models)

    model, said = await changes.finalize(MODEL, ModelStatus.READY, models, at_ms=9)

    assert model.status is ModelStatus.READY
    assert said == [
        LoggedModelFinalized(pipeline=PIPELINE, model_id=MODEL, status="READY", previous_status="PENDING", at_ms=9)
    ]


async def test_only_new_params_and_changed_tags_are_said(models: InMemoryLoggedModels) -> None:
    await logged(models, params={"depth": "3"}, tags={"team": "delays"})

    params = await changes.add_params(MODEL, {"depth": "3", "rate": "0.1"}, models)
    tags = await changes.tag(MODEL, {"team": "arrivals", "new": "1"}, models)

    described = LoggedModelDescribed(pipeline=PIPELINE, model_id=MODEL)
    assert params == [described.model_copy(update={"params": {"rate": "0.1"}})]
    moved = (TagChange(key="team", value="arrivals", previous="delays"), TagChange(key="new", value="1"))
    assert tags == [described.model_copy(update={"tags": moved})]
    assert await changes.add_params(MODEL, {"depth": "3"}, models) == []
    assert await changes.tag(MODEL, {"new": "1"}, models) == []


async def test_param_never_changes(models: InMemoryLoggedModels) -> None:
    await logged(models, params={"depth": "3"})

    with pytest.raises(MalformedError, match="param never changes"):
        await changes.add_params(MODEL, {"depth": "4"}, models)


async def test_only_a_tag_that_is_there_can_be_removed(models: InMemoryLoggedModels) -> None:
    await logged(models, tags={"team": "delays"})

    (said,) = await changes.tag(MODEL, {"team": None}, models)

    assert isinstance(said, LoggedModelDescribed)
    assert said.tags == (TagChange(key="team", previous="delays"),)
    with pytest.raises(RejectedError, match="tag not found"):
        await changes.tag(MODEL, {"team": None}, models)


async def test_deleted_model_is_found_by_those_who_look_for_such(models: InMemoryLoggedModels) -> None:
    await logged(models)

    said = await changes.delete(MODEL, models, by="ada (mlflow)", at_ms=7)

    assert said == [LoggedModelDeleted(pipeline=PIPELINE, model_id=MODEL, deleted_by="ada (mlflow)", at_ms=7)]
    assert await changes.delete(MODEL, models, by="ada (mlflow)", at_ms=8) == []
    with pytest.raises(RejectedError, match="logged model not found"):
        await changes.find(MODEL, models)
    assert (await changes.find(MODEL, models, allow_deleted=True)).updated_ms == 7


async def test_nothing_that_is_said_is_too_much_for_the_bus(models: InMemoryLoggedModels) -> None:
    params = {f"p{number}": "\x01" * 6000 for number in range(100)}
    tags = {f"t{number}": "\x01" * 6000 for number in range(100)}

    said = await logged(models, params=params, tags=tags)

    assert max(len(fact.model_dump_json()) for fact in said) < MAX_BODY_BYTES
    assert {key: value for fact in said for key, value in fact.params.items()} == params
    changed = {change.key: change.value for fact in said[1:] for change in fact.tags}
    assert changed == tags
