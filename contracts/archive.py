"""One version as one file, with everything needed to build it again on a machine that has nothing of it.

An archive is a zip whose members are stored as they are: ``archive.json`` first, which names every other member with
its digest; ``bundle/`` with the code, the environment and the definition in it; ``dataset/``, the Delta table up to
the version's rows; ``spec.json`` and ``report.json`` of the run; ``record.json``, what the registry knew.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.model import Contract, Digest, PipelineName, VersionNumber
from contracts.registry import GateVerdict

INDEX = "archive.json"
"""Name of the index. Its digest is the archive's digest."""
BUNDLE = "bundle"
DATASET = "dataset"
"""Where the rows of a version lie beside its bundle, once they came with it."""
SPEC = "spec.json"
REPORT = "report.json"
RECORD = "record.json"

MemberPath = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.=%-]*(/[A-Za-z0-9_][A-Za-z0-9_.=%-]*)*$", max_length=500),
]


class ArchivedFile(Contract):
    """One member of an archive. No name leads outside of it, nor begins with a dot."""

    path: MemberPath
    digest: Digest
    size_bytes: int = Field(ge=0)


class ArchiveIndex(Contract):
    """The table of contents of an archive. Nothing is written anywhere before every digest agrees."""

    schema_version: Literal[1] = 1
    pipeline: PipelineName
    version: VersionNumber
    run_id: UUID
    bundle_digest: Digest
    files: tuple[ArchivedFile, ...]


class RecordedDecision(Contract):
    """Who decided about the version, why and when."""

    by: str
    reason: str
    at: AwareDatetime


class RecordedMove(Contract):
    """One change of an alias of the model; unset: it was pointed at no version."""

    alias: str
    version: VersionNumber | None
    by: str
    reason: str
    at: AwareDatetime


class VersionRecord(Contract):
    """What the registry that registered a version knew of it when it was archived."""

    pipeline: PipelineName
    version: VersionNumber
    run_id: UUID
    bundle_digest: Digest
    state: str
    registered_at: AwareDatetime
    champion_version: VersionNumber | None = Field(default=None, description="Whom the candidate was held against.")
    verdicts: tuple[GateVerdict, ...] = ()
    decision: RecordedDecision | None = None
    moves: tuple[RecordedMove, ...] = Field(default=(), description="Of the model's aliases, oldest first.")
