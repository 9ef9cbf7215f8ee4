"""Model versions, the gates they pass and the aliases they carry. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contracts.archive import VersionRecord
from contracts.bundle import BundleFile, Lineage, Manifest
from contracts.gates import compares
from contracts.jobs import TrainingReport
from contracts.message import Message
from contracts.pipeline import PipelineDefinition, Policy, Promotion
from contracts.registry import GateVerdict, ImportModelVersion
from contracts.training import TrainingRunSucceeded
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause

GATES = "gates"
AUTOMATIC = "policy:auto"
EXPIRY = "policy:expiry"
LONGEST_REASON = 2000
"""What a refusal's fact holds; what is kept must not say more than what was said."""


@dataclass(frozen=True, slots=True)
class Model:
    """A pipeline whose versions are kept here."""

    pipeline: str
    definition: PipelineDefinition
    registered_at: datetime
    last_number: int = 0


class VersionState(StrEnum):
    """Where a version stands. A promoted one was champion at least once; the aliases say who is now.

    An imported one was judged by the gates of another registry, never by those here; a logged one by none. Of a
    logged one they may be waived.
    """

    AWAITING_APPROVAL = "awaiting_approval"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    IMPORTED = "imported"
    LOGGED = "logged"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided, why and when."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered bundle and what became of it."""

    pipeline: str
    number: int
    bundle_uri: str
    bundle_digest: str
    manifest: Manifest
    report: TrainingReport
    card: str
    verdicts: tuple[GateVerdict, ...]
    registered_at: datetime
    state: VersionState
    decision: Decision | None = None
    approvals: tuple[Decision, ...] = ()
    approvals_needed: int = 1
    expires_at: datetime | None = None
    collected_at: datetime | None = None

    @property
    def lineage(self) -> Lineage:
        """Everything that made this version."""
        return self.manifest.lineage

    @property
    def run_id(self) -> UUID:
        """The run whose output this version is."""
        return self.lineage.run_id

    @property
    def approvals_missing(self) -> int:
        """How many more people must approve."""
        return self.approvals_needed - len(self.approvals)

    def judged(self, promotion: Promotion, at: datetime) -> "ModelVersion":
        """Be what the verdicts and the policy make of a new version: refused, champion, or waiting."""
        if missed := [verdict.explanation for verdict in self.verdicts if not verdict.passed]:
            reason = "; ".join(missed)[:LONGEST_REASON]
            return replace(self, state=VersionState.REJECTED, decision=Decision(GATES, reason, at))
        if promotion.policy is not Policy.AUTO:
            # What is asked now is what this version will be held to, whatever the pipeline asks of later ones.
            limit = promotion.approval_expires_after
            return replace(
                self,
                state=VersionState.AWAITING_APPROVAL,
                approvals_needed=promotion.approvals,
                expires_at=at + limit if limit else None,
            )
        reason = "passed every gate: " + "; ".join(verdict.explanation for verdict in self.verdicts)
        return replace(self, state=VersionState.PROMOTED, decision=Decision(AUTOMATIC, reason, at))

    def approved(self, decision: Decision, *, champion: int | None) -> "ModelVersion":
        """Have one more person's word; with the last one that is needed, become champion.

        Args:
            decision: The person's.
            champion: Number of the present champion.

        Raises:
            RejectedError: It does not await approval, or not any more, or not this person's, or its gates held it
                against another champion.
        """
        self._must_await()
        if self.overdue(decision.at):
            raise RejectedError("approval_expired", version=self.number, expired_at=self.expires_at)
        if any(_same_person(given.by, decision.by) for given in self.approvals):
            raise RejectedError("already_approved_by", version=self.number, by=decision.by)
        if self._compared() and self.report.champion_version != champion:
            raise RejectedError("champion_changed", compared_with=self.report.champion_version, champion=champion)
        approved = replace(self, approvals=(*self.approvals, decision))
        if approved.approvals_missing > 0:
            return approved
        return replace(approved, state=VersionState.PROMOTED, decision=decision)

    def overdue(self, at: datetime) -> bool:
        """Tell whether it waits for approval for longer than it may."""
        waits = self.state is VersionState.AWAITING_APPROVAL
        return waits and self.expires_at is not None and at >= self.expires_at

    def rejected(self, decision: Decision) -> "ModelVersion":
        """Be refused by a person.

        Raises:
            RejectedError: It does not await approval.
        """
        self._must_await()
        return replace(self, state=VersionState.REJECTED, decision=decision)

    def rolled_back_to(self, decision: Decision, *, champion: int | None) -> "ModelVersion":
        """Become champion again.

        Raises:
            RejectedError: It is champion, or never was.
        """
        if self.number == champion:
            raise RejectedError("already_champion", version=self.number)
        if self.state is not VersionState.PROMOTED:
            raise RejectedError("never_champion", version=self.number, state=self.state.value)
        return replace(self, decision=decision)

    def _must_await(self) -> None:
        if self.state is not VersionState.AWAITING_APPROVAL:
            raise RejectedError("not_awaiting_approval", version=self.number, state=self.state.value)

    def _compared(self) -> bool:
        return any(compares(verdict.gate) for verdict in self.verdicts)


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the store holds for a run, every digest verified."""

    manifest: Manifest
    report: TrainingReport
    card: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the store holds for a version of another registry, every digest verified."""

    evidence: Evidence
    definition: PipelineDefinition
    record: VersionRecord


def check_evidence(run: TrainingRunSucceeded | ImportModelVersion, evidence: Evidence) -> None:
    """Make sure that what was said of a run, its report and its bundle tell one complete story.

    Raises:
        RejectedError: They disagree or a file is missing; all faults are named.
    """
    manifest, report, lineage = evidence.manifest, evidence.report, evidence.manifest.lineage
    digests = {file.path: file.digest for file in manifest.files}
    dataset = run.dataset_version if isinstance(run, TrainingRunSucceeded) else lineage.dataset.version
    faults = [f"the bundle has no {file.value}" for file in BundleFile if file.value not in digests]
    for what, said, found in (
        ("run of the report", run.run_id, report.run_id),
        ("run of the bundle", run.run_id, lineage.run_id),
        ("pipeline of the report", run.pipeline, report.pipeline),
        ("pipeline of the bundle", run.pipeline, manifest.pipeline),
        ("bundle of the report", run.bundle_digest, report.bundle_digest),
        ("dataset version", dataset, lineage.dataset.version),
        ("model file", report.model_digest, digests.get(BundleFile.MODEL)),
        ("code", lineage.code_digest, digests.get(BundleFile.CODE)),
        ("environment", lineage.environment_digest, digests.get(BundleFile.ENVIRONMENT)),
    ):
        if said != found:
            faults.append(f"{what}: {said} was said, {found} was found")
    if faults:
        raise RejectedError("lineage_incomplete", faults="; ".join(faults))


class Alias(StrEnum):
    """Names that point at one version of a model, or at none."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Aliases:
    """Where the aliases of one model point."""

    champion: int | None = None
    challenger: int | None = None
    previous: int | None = None

    def promote(self, number: int) -> "Aliases":
        """Make a version champion and its forerunner the previous one."""
        challenger = None if self.challenger == number else self.challenger
        return Aliases(champion=number, challenger=challenger, previous=self.champion)

    def restore(self, number: int | None, *, previous: int | None) -> "Aliases":
        """Make champion who was it before; the one that did not hold is not the one to go back to."""
        return replace(self, champion=number, previous=previous)

    def challenge(self, number: int) -> "Aliases":
        """Make a version the one that waits for a person; the newest does."""
        return replace(self, challenger=number)

    def dismiss(self, number: int) -> "Aliases":
        """Let a refused version challenge no more."""
        return replace(self, challenger=None) if self.challenger == number else self


@dataclass(frozen=True, slots=True)
class AliasChange:
    """One alias was pointed at a version, or at none. The history of a model is these, in order."""

    alias: Alias
    number: int | None
    decision: Decision


def changes(before: Aliases, after: Aliases, decision: Decision) -> tuple[AliasChange, ...]:
    """List what has to change for the aliases to move."""
    return tuple(
        AliasChange(alias, getattr(after, alias), decision)
        for alias in Alias
        if getattr(before, alias) != getattr(after, alias)
    )


def replay(history: Iterable[AliasChange]) -> Aliases:
    """Read from the history where the aliases point."""
    aliases = Aliases()
    for change in history:
        aliases = replace(aliases, **{change.alias.value: change.number})
    return aliases


def forerunner(history: Iterable[AliasChange], number: int) -> int | None:
    """Find the champion before a version, when that version last was champion."""
    aliases, found = Aliases(), None
    for change in history:
        aliases = replace(aliases, **{change.alias.value: change.number})
        if aliases.champion == number:
            found = aliases.previous
    return found


@dataclass(frozen=True, slots=True)
class Inspection:
    """A message whose bundle has to be read before it can be decided.

    ``key`` is the same for every message that wants the same decision.
    """

    key: str
    message: Message
    cause: Cause
    due_at: datetime
    attempts: int = 0
