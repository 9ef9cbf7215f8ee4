"""A driver, a board with one obedient replica, and what was said."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contracts.message import Command, Message
from contracts.monitoring import QualityDegraded
from contracts.rollout import Canary, Guard, Shadow
from contracts.rollout import Rollout as Plan
from services.chassis.subscriptions import Cause
from services.serving import steering
from services.serving.desired import DesiredState, HeldVersion, ReplicaReport, Split, VersionTraffic
from services.serving.domain import HoldState, Rollout, RolloutState
from services.serving.driving import Driver
from services.serving.handlers import on_version_promoted
from services.serving.ports import Deployments, Rollouts
from tests.fakes.serving.board import InMemoryBoard
from tests.fakes.serving.cluster import InMemoryCluster
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import NOW, cause, deployment, promoted
from tests.fakes.serving.rollouts import InMemoryRollouts
from tests.fakes.serving.score_cells import InMemoryScoreCells
from tests.fakes.work import InMemoryWork

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
GUARDED = Plan(
    steps=(
        Shadow(bake=5 * SECOND, min_requests=100, max_wait=MINUTE),
        Canary(share=0.1, bake=5 * SECOND, min_requests=50, max_wait=MINUTE),
        Canary(share=0.5, bake=5 * SECOND, min_requests=50, max_wait=MINUTE),
    ),
    bake=10 * SECOND,
    guard=Guard(slow_s=0.1),
)
"""Every kind of step, and short ones."""


@dataclass(frozen=True)
class Manner:
    """How a version answers: which share fails, which is slow, and in which of four cells its scores lie."""

    fails: float = 0.0
    slow: float = 0.0
    cell: int = 1


class Story:
    """The serving service in memory, with one model and one replica that obeys."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.deployments = InMemoryDeployments()
        self.rollouts = InMemoryRollouts()
        self.board = InMemoryBoard()
        self.cluster = InMemoryCluster()
        self.cells = InMemoryScoreCells()
        self.work = InMemoryWork({Deployments: self.deployments, Rollouts: self.rollouts})
        self.plan = plan or Plan()
        self.now = NOW
        self.fails = False
        self.asked = 0
        """Requests between two reports of the replica."""
        self.manners: dict[int, Manner] = {}
        self.replica = "one"
        self.driver = self.new_driver()
        self._counted: dict[tuple[Any, ...], VersionTraffic] = {}

    @classmethod
    async def answering_one(cls, plan: Plan) -> "Story":
        """Version 1 answers, and how it came to is forgotten."""
        story = cls(plan)
        await story.promote(1)
        await story.settle()
        story.work.said.clear()
        return story

    def new_driver(self) -> Driver:
        """Start the service again: nothing but the record and the board survives."""
        return Driver(self.cluster, lambda _: self.board, self.cells, clock=lambda: self.now)

    def restart_replica(self, name: str) -> None:
        """Let the replica die, and another one start that has counted nothing."""
        self.board.silence("flights", self.replica)
        self.replica, self._counted = name, {}

    async def promote(self, version: int) -> None:
        await self.deployments.save(await self.deployments.get("flights") or deployment(plan=self.plan))
        said = cause(f"promotion-{version}-{len(self.work.said)}", later_s=(self.now - NOW).total_seconds() + version)
        self.work.said += await on_version_promoted(promoted(version), self.deployments, self.rollouts, said)

    async def say(self, message: Command | QualityDegraded) -> list[Message]:
        """Say something to the service; gives what it answers."""
        at = self.now
        heard = Cause(f"word-{len(self.work.said)}", "story", at, at, None)
        table = {one.message: one.handler for one in steering.SUBSCRIPTIONS}
        answer = await table[type(message)](message, self.deployments, self.rollouts, heard)
        self.work.said += answer
        return answer

    async def look(self) -> None:
        """One look of the driver."""
        await self.driver.look(self.work)  # type: ignore[arg-type]

    async def obey(self) -> None:
        """The replica does what the board says, answers requests, and reports."""
        desired = await self.board.desired("flights")
        held = tuple(
            HeldVersion(
                version=one.version,
                rollout_id=one.rollout_id,
                state=HoldState.FAILED if self.fails and one.version != desired.answering else HoldState.LOADED,
            )
            for one in (desired.versions if desired else ())
        )
        await self.board.post_report(
            ReplicaReport(
                pipeline="flights",
                replica=self.replica,
                at=self.now,
                held=held,
                answering=desired.answering if desired else None,
                traffic=self._answer(desired, desired.split) if desired and desired.split else (),
            )
        )

    async def settle(self, looks: int = 6, *, every_s: float = 0) -> None:
        for _ in range(looks):
            await self.obey()
            await self.look()
            self.now += timedelta(seconds=every_s)

    async def until(self, state: RolloutState, version: int = 2, *, step: int | None = None) -> None:
        """Go on second by second until a rollout is there."""
        for _ in range(200):
            await self.settle(1, every_s=1)
            found = await self.rollout(version)
            if found.state is state and step in (None, found.step):
                return
        raise AssertionError(f"version {version} is {found.state} at step {found.step}, not {state}: {found.detail}")

    async def desired(self) -> DesiredState:
        """What replicas are told."""
        found = await self.board.desired("flights")
        assert found is not None
        return found

    async def rollout(self, version: int) -> Rollout:
        """The newest rollout of a version."""
        return next(one for one in await self.rollouts.recent() if one.version == version)

    @property
    def facts(self) -> list[tuple[type[Message], int]]:
        told: list[Any] = self.work.said
        return [(type(one), one.version) for one in told]

    def _answer(self, desired: DesiredState, split: Split) -> tuple[VersionTraffic, ...]:
        ours = round(self.asked * split.share)
        for version, requests in (
            (split.candidate, ours),
            (desired.answering or 0, self.asked if split.shadow else self.asked - ours),
        ):
            manner, key = self.manners.get(version, Manner()), (split.rollout_id, split.step, version)
            known = self._counted.get(
                key, VersionTraffic(rollout_id=split.rollout_id, step=split.step, version=version)
            )
            errors = round(requests * manner.fails)
            slow = round(requests * manner.slow) if split.slow_s else 0
            cells = [0.0] * (len(split.score_edges) + 1)
            cells[manner.cell] = float(requests - errors)
            self._counted[key] = known.model_copy(
                update={
                    "requests": known.requests + requests,
                    "errors": known.errors + errors,
                    "slow": known.slow + slow,
                    "seconds": known.seconds + 0.01 * requests,
                    "scores": tuple(map(sum, zip(known.scores, cells, strict=True))) if known.scores else tuple(cells),
                }
            )
        return tuple(
            one for one in self._counted.values() if (one.rollout_id, one.step) == (split.rollout_id, split.step)
        )
