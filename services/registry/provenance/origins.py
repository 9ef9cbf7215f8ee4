"""What led to versions. No I/O."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.model import PipelineName


class Origin(StrEnum):
    """What an id may be the id of."""

    RUN = "run"
    DATASET = "dataset"
    CODE = "code"
    COMMIT = "commit"
    ENVIRONMENT = "environment"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Mention:
    """A version whose lineage names something, and as what."""

    origin: Origin
    pipeline: PipelineName
    number: int
