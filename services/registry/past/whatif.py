"""Recorded reports under other gates: which promotions would have gone another way. No I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from contracts.pipeline import Gate, Policy
from contracts.registry import GateVerdict
from services.registry.domain import GATES, Alias, AliasChange, ModelVersion, VersionState
from services.registry.gates import judge


class Outcome(StrEnum):
    """What becomes of a version."""

    PROMOTED = "promoted"
    WAITING = "waiting"
    REFUSED = "refused"
    UNKNOWN = "unknown"


WAS = {
    VersionState.PROMOTED: Outcome.PROMOTED,
    VersionState.AWAITING_APPROVAL: Outcome.WAITING,
    VersionState.REJECTED: Outcome.REFUSED,
}
UNSURE = 2**31 - 1
"""No version's number: it stands for a champion of whom nobody can tell who it would have been."""


@dataclass(frozen=True, slots=True)
class Supposed:
    """What became of one version, and what would have."""

    number: int
    was: Outcome
    would: Outcome
    why: str
    verdicts: tuple[GateVerdict, ...]

    @property
    def differs(self) -> bool:
        """Whether the other gates would have made a difference."""
        return self.was is not self.would


def suppose(
    versions: Iterable[ModelVersion], history: Sequence[AliasChange], gates: tuple[Gate, ...], policy: Policy
) -> list[Supposed]:
    """Hold the reports of a model's versions against other gates, in the order in which they were registered.

    What people decided stands wherever they would have been asked. A run that was compared with a version that would
    not have been champion tells nothing of the comparison it would have had: where gates ask for it, nobody knows.

    Args:
        versions: Those that no gate of this registry has judged are passed over.
        history: Every change of the model's aliases, in order.
        gates: To be tried.
        policy: Who decides about a version that was refused by its gates and is not by these.
    """
    course = _Course(gates, policy)
    moments: list[tuple[datetime, int, ModelVersion | AliasChange]] = [
        *((each.registered_at, 0, each) for each in versions if each.state in WAS),
        *((each.decision.at, 1, each) for each in history if each.alias is Alias.CHAMPION),
    ]
    for _, _, moment in sorted(moments, key=lambda moment: moment[:2]):
        if isinstance(moment, ModelVersion):
            course.judge(moment)
        else:
            course.crown(moment.number)
    return list(course.supposed.values())


@dataclass
class _Course:
    """How things went, and how they would have gone beside it."""

    gates: tuple[Gate, ...]
    policy: Policy
    champion: int | None = None
    would_be_champion: int | None = None
    supposed: dict[int, Supposed] = field(default_factory=dict)

    def judge(self, version: ModelVersion) -> None:
        """Judge a new version beside the champion it would have found."""
        report, dataset = version.report, version.lineage.dataset
        verdicts = judge(self.gates, report, champion=self.would_be_champion, dataset=dataset)
        compared = judge(self.gates, report, champion=report.champion_version, dataset=dataset)
        missed, doubts = [], []
        for verdict, then in zip(verdicts, compared, strict=True):
            if verdict.passed:
                continue
            if verdict != then and self.would_be_champion != self.champion:
                doubts.append(f"its run was held against {report.champion_version or 'no champion'}")
            elif verdict == then and (verdict.value is None or verdict.threshold is None):
                doubts.append(verdict.explanation)
            else:
                missed.append(verdict.explanation)
        would, why = self._outcome(version, missed, doubts)
        was = WAS[version.state]
        self.supposed[version.number] = Supposed(version.number, was, would, why, verdicts)
        if would is Outcome.UNKNOWN:
            self.would_be_champion = UNSURE
        elif would is Outcome.PROMOTED and was is not Outcome.PROMOTED:
            self.would_be_champion = version.number

    def crown(self, number: int | None) -> None:
        """Let a version be champion that was, if it would have been."""
        would = self.supposed[number].would if number in self.supposed else None
        if number is None:
            self.would_be_champion = None if self.would_be_champion == self.champion else self.would_be_champion
        elif would is Outcome.UNKNOWN:
            self.would_be_champion = UNSURE
        elif would is not Outcome.REFUSED:
            self.would_be_champion = number
        self.champion = number

    def _outcome(self, version: ModelVersion, missed: list[str], doubts: list[str]) -> tuple[Outcome, str]:
        was, decision = WAS[version.state], version.decision
        if missed:
            return Outcome.REFUSED, "; ".join(missed)
        if doubts:
            return Outcome.UNKNOWN, "; ".join(dict.fromkeys(doubts))
        if was is not Outcome.REFUSED:
            return was, "passes every gate"
        if decision and decision.by != GATES:
            return was, f"passes every gate; {decision.by} refused it: {decision.reason}"
        if self.policy is Policy.AUTO:
            return Outcome.PROMOTED, "passes every gate"
        return Outcome.WAITING, "passes every gate; the policy asks a person"
