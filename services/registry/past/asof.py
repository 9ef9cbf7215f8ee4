"""A model as it was at some time: where its aliases pointed, and how far its versions were. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from services.registry.domain import Alias, AliasChange, Aliases, Decision, ModelVersion, VersionState, replay


@dataclass(frozen=True, slots=True)
class VersionLife:
    """What became of a version, from its first state to its last."""

    number: int
    registered_at: datetime
    began: VersionState
    state: VersionState
    decision: Decision | None = None
    deleted_at: datetime | None = None

    @classmethod
    def of(cls, version: ModelVersion) -> "VersionLife":
        """Take it from a bundle's."""
        state, decision = version.state, version.decision
        return cls(version.number, version.registered_at, VersionState.AWAITING_APPROVAL, state, decision)


@dataclass(frozen=True, slots=True)
class VersionThen:
    """A version's state at some time, and the decision that had led to it."""

    number: int
    state: VersionState
    decision: Decision | None
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class ModelThen:
    """A model at some time; versions that came later, or were gone by then, are not among its versions."""

    aliases: Aliases
    versions: tuple[VersionThen, ...]


def as_of(lives: Iterable[VersionLife], history: Iterable[AliasChange], at: datetime) -> ModelThen:
    """Tell how a model was.

    Args:
        lives: Of its versions.
        history: Every change of its aliases, in order.
        at: When; what was decided at this very moment counts.
    """
    # A command is decided at the time it came, so times may run back a little; the order is that of the history.
    known = list(takewhile(lambda change: change.decision.at <= at, history))
    there = (life for life in lives if life.registered_at <= at and (life.deleted_at is None or life.deleted_at > at))
    return ModelThen(replay(known), tuple(_then(life, known, at) for life in there))


def _then(life: VersionLife, known: list[AliasChange], at: datetime) -> VersionThen:
    state, decision = life.began, None
    crowned = [each.decision for each in known if each.alias is Alias.CHAMPION and each.number == life.number]
    if crowned:
        state, decision = VersionState.PROMOTED, crowned[-1]
    elif life.state is not VersionState.PROMOTED and life.decision and life.decision.at <= at:
        state, decision = life.state, life.decision
    return VersionThen(life.number, state, decision, life.registered_at)
