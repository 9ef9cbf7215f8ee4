"""What may go for good, and what must not. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from contracts.bundle import MANIFEST
from contracts.bundle import BundleFile as File
from contracts.model import PipelineName

RECORD = frozenset(
    {"spec.json", "report.json", "record.json"}
    | {f"bundle/{name}" for name in (MANIFEST, File.DEFINITION, File.CODE, File.ENVIRONMENT, File.METRICS, File.CARD)}
)
"""Of a version's files those that tell what it was and why it was decided about as it was; they stay."""


class Kind(StrEnum):
    """What can be collected, in the order in which it must be."""

    RUN = "run"
    LOGGED_MODEL = "logged model"
    EXPERIMENT = "experiment"
    VERSION = "version"
    FAILED_RUN = "failed training run"
    UNFINISHED = "unfinished upload"


@dataclass(frozen=True, slots=True)
class Rules:
    """For how long what is of no use is kept.

    Attributes:
        deleted: What people deleted, from then on.
        failed: The files of training runs that failed or were stopped, from then on.
        refused: The files of versions that were refused and never champion; None: for ever.
    """

    deleted: timedelta
    failed: timedelta
    refused: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Files to be erased.

    Attributes:
        path: A directory, or a file, relative to the root of the store.
        keep_record: Leave ``RECORD`` there.
    """

    path: str
    keep_record: bool = False


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something that nobody can get back any more, or could not but for who needs it.

    Attributes:
        kind: What it is.
        id: Unique among its kind.
        name: What people call it.
        pipeline: The key of its model or experiment.
        since: When it was deleted, refused or failed.
        place: Where its files are; None if they are elsewhere, or there never were any.
        needed_by: What still needs it, in words; None if it may go.
    """

    kind: Kind
    id: str
    name: str
    pipeline: PipelineName
    since: datetime
    place: Place | None = None
    needed_by: str | None = None
