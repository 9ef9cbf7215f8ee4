"""What looking back needs from outside."""

from collections.abc import AsyncIterable
from datetime import datetime
from typing import Protocol

from contracts.envelope import Envelope
from contracts.message import Message
from contracts.model import PipelineName
from services.registry.past.asof import OtherMove, VersionLife
from services.registry.past.domain import StateDigest
from services.registry.ports import Bundles
from services.registry.tracking.domain import Experiment


class State(Protocol):
    """Everything the registry has decided and been told; not what it is about to do."""

    async def digest(self) -> StateDigest:
        """Read all of it, and sum it up."""


class Lives(Protocol):
    """What became of the versions of any model, deleted ones included."""

    async def models(self, at: datetime) -> list[str]:
        """List the names of the models there are, and of those deleted since that had versions."""

    async def of_model(self, pipeline: PipelineName) -> list[VersionLife] | None:
        """List a model's versions, newest first; None if there is no such model."""

    async def other_aliases(self, pipeline: PipelineName) -> list[OtherMove]:
        """List the changes of a model's aliases that are people's own, oldest first."""


class Records(Bundles, Protocol):
    """Bundles whose files were collected: only what tells of them is read, and verified."""


class KnownExperiments(Protocol):
    """Experiments that were numbered already."""

    async def add(self, experiment: Experiment) -> None:
        """Keep an experiment under its number, which is then never given again."""


class Said(Protocol):
    """One message of the log; ``message`` is unset where nobody knows its type any more."""

    @property
    def envelope(self) -> Envelope:
        """Who said it, when, and because of what."""

    @property
    def message(self) -> Message | None:
        """What was said."""


Log = AsyncIterable[Said]
"""Messages in the order in which they were said."""
