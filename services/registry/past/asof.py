"""A model as it was at some time: where its aliases pointed, and how far its versions were. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile

from services.registry.domain import Alias, AliasChange, Aliases, Decision, ModelVersion, VersionState, replay


@dataclass(frozen=True, slots=True)
class VersionLife:
    """What became of a version, from its first state to its last; ``waived`` is the word of whoever answered for it."""

    number: int
    registered_at: datetime
    began: VersionState
    state: VersionState
    decision: Decision | None = None
    deleted_at: datetime | None = None
    waived: Decision | None = None

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
class OtherMove:
    """An alias of people's own was pointed at a version, or at none."""

    alias: str
    number: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ModelThen:
    """A model at some time; versions that came later, or were gone by then, are not among its versions.

    Aliases are the registry's, and ``others`` people's own.
    """

    aliases: Aliases
    versions: tuple[VersionThen, ...]
    others: Mapping[str, int] = field(default_factory=dict)


def as_of(
    lives: Iterable[VersionLife], history: Iterable[AliasChange], at: datetime, *, others: Iterable[OtherMove] = ()
) -> ModelThen:
    """Tell how a model was.

    Args:
        lives: Of its versions.
        history: Every change of its aliases, in order.
        at: When; what was decided at this very moment counts.
        others: Every change of other aliases, in order.
    """
    # A command is decided at the time it came, so times may run back a little; the order is that of the history.
    known = list(takewhile(lambda change: change.decision.at <= at, history))
    there = (life for life in lives if life.registered_at <= at and (life.deleted_at is None or life.deleted_at > at))
    versions = tuple(_then(life, known, at) for life in there)
    numbers = {version.number for version in versions}
    pointed = {move.alias: move.number for move in others if move.at <= at}
    there_then = {
        alias: number for alias, number in sorted(pointed.items()) if number is not None and number in numbers
    }
    return ModelThen(replay(known), versions, there_then)


def _then(life: VersionLife, known: list[AliasChange], at: datetime) -> VersionThen:
    state, decision = life.began, None
    crowned = [each.decision for each in known if each.alias is Alias.CHAMPION and each.number == life.number]
    if crowned:
        state, decision = VersionState.PROMOTED, crowned[-1]
    elif life.waived and life.waived.at <= at:
        state, decision = VersionState.WAIVED, life.waived
    elif life.state is not VersionState.PROMOTED and life.decision and life.decision.at <= at:
        state, decision = life.state, life.decision
    return VersionThen(life.number, state, decision, life.registered_at)
