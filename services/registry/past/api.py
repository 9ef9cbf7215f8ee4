"""Looking back over HTTP: a model as of a time, the digest of the whole state, and what other gates would have done."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from contracts.model import Digest, PipelineName
from contracts.pipeline import Gate, Policy
from contracts.registry import GateVerdict
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.chassis.work import Transaction
from services.registry.domain import Alias, VersionState
from services.registry.keys import key_of
from services.registry.mlflow.calls import work_of
from services.registry.past.asof import ModelThen, VersionThen, as_of
from services.registry.past.ports import Lives, State
from services.registry.past.whatif import Outcome, Supposed, suppose
from services.registry.ports import AliasHistory, Models, Versions
from services.registry.views import AliasesView, DecisionView

router = APIRouter(tags=["past"])


class VersionAsOf(BaseModel):
    """A version as it was."""

    version: int
    state: VersionState
    aliases: list[str]
    registered_at: datetime
    decision: DecisionView | None


class ModelAsOf(BaseModel):
    """A model as it was."""

    model: str
    at: datetime
    aliases: AliasesView
    other_aliases: dict[str, int] = Field(description="People's own.")
    versions: list[VersionAsOf]


class PartView(BaseModel):
    """One table of the state."""

    name: str
    rows: int
    digest: Digest


class StateView(BaseModel):
    """The whole state. Equal digests mean equal registries."""

    digest: Digest
    parts: list[PartView]


class OtherGates(BaseModel):
    """Gates to be tried."""

    gates: tuple[Gate, ...] = Field(min_length=1)
    policy: Policy | None = Field(default=None, description="Unset: the model's own.")
    model: PipelineName | None = Field(default=None, description="Unset: every model.")


class SupposedView(BaseModel):
    """What became of a version, and what would have."""

    model: str
    version: int
    was: Outcome
    would: Outcome
    differs: bool
    why: str
    verdicts: tuple[GateVerdict, ...]

    @classmethod
    def of(cls, model: str, supposed: Supposed) -> "SupposedView":
        """Render one of a model's versions."""
        return cls(
            model=model,
            version=supposed.number,
            was=supposed.was,
            would=supposed.would,
            differs=supposed.differs,
            why=supposed.why,
            verdicts=supposed.verdicts,
        )


async def _reading(request: Request) -> AsyncIterator[Transaction]:
    """Open a transaction that keeps no writer waiting, for a POST that only asks."""
    async with work_of(request).transaction(write=False) as transaction:
        yield transaction


At = Annotated[AwareDatetime, Query(description="ISO 8601 with a zone.")]
Reading = Annotated[Transaction, Depends(_reading, scope="function")]


@router.get("/as-of")
async def get_all_as_of(at: At, tx: Tx) -> list[ModelAsOf]:
    """Get every model that there is, and those deleted since, as they were at some time."""
    return [await _as_of(model, at, tx) for model in await tx.port(Lives).models(at)]


@router.get("/models/{model}/as-of")
async def get_as_of(model: str, at: At, tx: Tx) -> ModelAsOf:
    """Get where a model's aliases pointed at some time, and how far its versions were."""
    return await _as_of(model, at, tx)


@router.get("/state")
async def get_state(tx: Tx) -> StateView:
    """Get a digest of everything the registry knows, whole and by table."""
    return StateView.model_validate(await tx.port(State).digest(), from_attributes=True)


@router.post("/what-if")
async def what_if(other: OtherGates, tx: Reading) -> list[SupposedView]:
    """Hold recorded reports against other gates. Nothing changes; the answer tells what would have been otherwise."""
    models = [found] if other.model and (found := await tx.port(Models).get(other.model)) else []
    if other.model and not models:
        raise RejectedError("model_not_found", model=other.model)
    answer: list[SupposedView] = []
    for model in models or await tx.port(Models).all():
        versions = await tx.port(Versions).of_model(model.pipeline)
        history = await tx.port(AliasHistory).of_model(model.pipeline)
        policy = other.policy or model.definition.promotion.policy
        supposed = suppose(versions, history, other.gates, policy)
        answer += [SupposedView.of(model.pipeline, each) for each in supposed]
    return answer


async def _as_of(model: str, at: datetime, tx: Transaction) -> ModelAsOf:
    pipeline = key_of(model)
    lives = await tx.port(Lives).of_model(pipeline)
    if lives is None:
        raise RejectedError("model_not_found", model=model)
    others = await tx.port(Lives).other_aliases(pipeline)
    then = as_of(lives, await tx.port(AliasHistory).of_model(pipeline), at, others=others)
    return ModelAsOf(
        model=model,
        at=at,
        aliases=AliasesView.of(then.aliases),
        other_aliases=dict(then.others),
        versions=[_version_view(version, then) for version in then.versions],
    )


def _version_view(version: VersionThen, model: ModelThen) -> VersionAsOf:
    decision, number = version.decision, version.number
    own = [alias.value for alias in Alias if getattr(model.aliases, alias) == number]
    return VersionAsOf(
        version=version.number,
        state=version.state,
        aliases=own + [alias for alias, pointed in model.others.items() if pointed == number],
        registered_at=version.registered_at,
        decision=DecisionView(by=decision.by, reason=decision.reason, at=decision.at) if decision else None,
    )
