"""A model as it was at some time: where its aliases pointed, and how far its versions were. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from services.registry.domain import Alias, AliasChange, Aliases, Decision, ModelVersion, VersionState, replay


@dataclass(frozen=True, slots=True)
class VersionThen:
    """A version's state at some time, and the decision that had led to it."""

    number: int
    state: VersionState
    decision: Decision | None
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class ModelThen:
    """A model at some time; versions that came later are not among its versions."""

    aliases: Aliases
    versions: tuple[VersionThen, ...]


def as_of(versions: Iterable[ModelVersion], history: Iterable[AliasChange], at: datetime) -> ModelThen:
    """Tell how a model was.

    Args:
        versions: Its versions as they are now.
        history: Every change of its aliases, in order.
        at: When; what was decided at this very moment counts.
    """
    # A command is decided at the time it came, so times may run back a little; the order is that of the history.
    known = list(takewhile(lambda change: change.decision.at <= at, history))
    then = (_then(version, known, at) for version in versions if version.registered_at <= at)
    return ModelThen(replay(known), tuple(then))


def _then(version: ModelVersion, known: list[AliasChange], at: datetime) -> VersionThen:
    state, decision = VersionState.AWAITING_APPROVAL, None
    crowned = [each.decision for each in known if each.alias is Alias.CHAMPION and each.number == version.number]
    if crowned:
        state, decision = VersionState.PROMOTED, crowned[-1]
    elif version.state is not VersionState.PROMOTED and version.decision and version.decision.at <= at:
        state, decision = version.state, version.decision
    return VersionThen(version.number, state, decision, version.registered_at)
