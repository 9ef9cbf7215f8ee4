"""What serving needs from outside."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from services.serving.desired import DesiredState, ReplicaReport
from services.serving.domain import Deployment, Rollout


class Deployments(Protocol):
    """Models that are, or will be, reachable."""

    async def get(self, pipeline: str) -> Deployment | None:
        """Find one by its pipeline."""

    async def hold(self, pipeline: str) -> Deployment | None:
        """Find one and let nobody else decide about it before this transaction ends."""

    async def all(self) -> Sequence[Deployment]:
        """List all, by name."""

    async def save(self, deployment: Deployment) -> None:
        """Add it or replace what was known."""

    async def remove(self, pipeline: str) -> None:
        """Forget it, so that its replicas end."""


class Rollouts(Protocol):
    """Every rollout there ever was."""

    async def get(self, rollout_id: UUID) -> Rollout | None:
        """Find one."""

    async def save(self, rollout: Rollout) -> None:
        """Add it or replace what was known."""

    async def open(self, pipeline: str) -> Sequence[Rollout]:
        """List those that are not over, oldest first."""

    async def recent(self, pipeline: str | None = None, *, limit: int = 100) -> Sequence[Rollout]:
        """List the newest of one model or of all, newest first."""


class Board(Protocol):
    """Where the service posts what it desires and replicas post what they are. Survives both."""

    async def post_desired(self, desired: DesiredState) -> None:
        """Replace what is desired of one model's replicas."""

    async def desired(self, pipeline: str) -> DesiredState | None:
        """Read what is desired; None before it was ever posted."""

    async def all_desired(self) -> Sequence[DesiredState]:
        """Read what is desired of every model."""

    async def post_report(self, report: ReplicaReport) -> None:
        """Replace what one replica said of itself."""

    async def withdraw(self, report: ReplicaReport) -> None:
        """Take down a replica's report, because it ends."""

    async def reports(self, pipeline: str) -> Sequence[ReplicaReport]:
        """Read the reports of one model's live replicas."""

    def changes(self) -> AbstractAsyncContextManager["Changes"]:
        """Hear when something is posted, until the block ends."""


class Changes(Protocol):
    """Hints that the board should be read again."""

    async def wait(self, at_most_s: float) -> None:
        """Wait for a hint. May miss one: read again after the time as well."""


class Cluster(Protocol):
    """What runs the replicas."""

    async def ensure(self, deployments: Sequence[Deployment], *, rolling: Collection[str] = ()) -> None:
        """Make exactly these models run; those that do already are left alone.

        Args:
            deployments: The models.
            rolling: Those with a rollout under way, which are not left without a replica.

        Raises:
            TransientError: The cluster does not answer.
        """

    async def failure(self, pipeline: str) -> str | None:
        """Say why a model could not be started; None if it runs or is starting."""

    async def reaches(self, pipeline: str, version: int) -> bool:
        """Ask through the front whether a version is ready, as any caller could."""

    def url(self, pipeline: str) -> str:
        """Give the base URL of a model."""


class ScoreCells(Protocol):
    """How the scores of a version are spread, from its bundle."""

    async def edges(self, bundle_uri: str, bundle_digest: str) -> tuple[float, ...]:
        """Read the edges between cells that hold about equally many of its scores; none where it has no reference.

        Raises:
            TransientError: The bundle can't be read at present.
        """
