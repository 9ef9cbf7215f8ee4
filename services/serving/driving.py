"""Drives deployments: the cluster runs what is registered, replicas hold and answer with what is promoted.

Every step reads what is on record, looks at the world, and writes at most one state on. What replicas shall do is
derived from the record each time, so dying anywhere costs a repetition and nothing else.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from contracts.message import utc_now
from services.chassis.bus import Bus
from services.chassis.errors import TransientError
from services.chassis.logs import Log
from services.chassis.work import Transaction, Work
from services.serving.advancing import LONGEST_FLIP, advance, is_late
from services.serving.desired import DesiredLookup, desire
from services.serving.domain import WATCHED, Deployment, Fleet, Rollout, RolloutState, in_turn, settle
from services.serving.ports import Board, Cluster, Deployments, Rollouts, ScoreCells
from services.serving.telling import news

LONGEST_STEP_S = 2.0
LOOK_AGAIN_S = 0.5
EARLIER_ROLLOUTS = 8
"""Back to which versions that once answered are kept for those who name them, where there is memory."""
EVIDENCE_EVERY_S = 1.0
"""Replicas count all the time and report as often; what they counted is looked at, and written down, in such steps."""

log = Log(__name__)


LookupOf = Callable[[Transaction, str, int | None], Awaitable[DesiredLookup | None]]
"""Find what replicas shall look scores up in while a version of a model answers."""


async def no_lookup(transaction: Transaction, pipeline: str, version: int | None) -> None:
    """Have nothing looked up."""


class Driver:
    """Takes every deployment where it should be. One reconciler of the service."""

    def __init__(
        self,
        cluster: Cluster,
        board_of: Callable[[Bus], Board],
        cells: ScoreCells,
        *,
        lookup_of: LookupOf = no_lookup,
        flip_timeout: timedelta = LONGEST_FLIP,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._cluster = cluster
        self._board_of = board_of
        self._cells = cells
        self._lookup_of = lookup_of
        self._flip_timeout = flip_timeout
        self._clock = clock
        self._board: Board | None = None
        self._looked_at: dict[str, datetime] = {}

    @property
    def board(self) -> Board:
        """The notice board, known once the service has its bus."""
        if self._board is None:
            raise TransientError("starting", detail="the service has not looked at its replicas yet")
        return self._board

    async def step(self, work: Work) -> None:
        """Look at all deployments; stay with rollouts under way, since their replicas report in milliseconds."""
        self._board = self._board or self._board_of(work.bus)
        async with self._board.changes() as changes:
            until = monotonic() + LONGEST_STEP_S
            while await self.look(work) and monotonic() < until:
                await changes.wait(LOOK_AGAIN_S)

    async def look(self, work: Work) -> bool:
        """Look at all deployments once; tell whether a rollout is under way."""
        self._board = self._board or self._board_of(work.bus)
        async with work.transaction(write=False) as transaction:
            deployments = await transaction.port(Deployments).all()
            rollouts = transaction.port(Rollouts)
            rolling = {one.pipeline for one in deployments if await rollouts.open(one.pipeline)}
        # Without any model too: then the front door is open before the first one comes.
        under_way, troubles = False, []
        # Replicas that live need the cluster's REST API for nothing: a rollout goes on without it.
        try:
            await self._cluster.ensure(deployments, rolling=rolling)
        except TransientError as error:
            troubles.append(error)
        for deployment in deployments:
            # What one model waits for is no reason for another to wait.
            try:
                under_way |= await self._drive(work, deployment)
            except TransientError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return under_way

    async def _drive(self, work: Work, deployment: Deployment) -> bool:
        pipeline = deployment.pipeline
        async with work.transaction(write=False) as transaction:
            deployment = await transaction.port(Deployments).get(pipeline) or deployment
            rollouts = transaction.port(Rollouts)
            waiting = in_turn(await rollouts.open(pipeline))
            kept = [await rollouts.get(id_) for id_ in (deployment.answering, deployment.previous) if id_]
            earlier = await rollouts.recent(pipeline, limit=EARLIER_ROLLOUTS)
            desired = desire(deployment, [*earlier, *waiting, *filter(None, kept)])
            lookup = await self._lookup_of(transaction, pipeline, desired.answering)
        desired = desired.model_copy(update={"lookup": lookup})
        if await self.board.desired(pipeline) != desired:
            await self.board.post_desired(desired)
        if not waiting or not self._is_due(waiting[0]):
            return False
        reports = await self.board.reports(pipeline)
        first = waiting[0]
        fleet = Fleet(
            tuple(report.to_domain() for report in reports),
            failure=await self._cluster.failure(pipeline),
            reachable=first.state is RolloutState.FLIPPING and await self._cluster.reaches(pipeline, first.version),
        )
        edges = await self._edges(first, kept[0] if kept else None, deployment)
        if await self._advance(work, first.id, fleet, edges):
            return await self._drive(work, deployment)
        # What two versions are compared by comes in seconds, not in milliseconds.
        return first.state not in WATCHED | {RolloutState.PENDING}

    def _is_due(self, rollout: Rollout) -> bool:
        """Tell whether to look at a rollout: each change of traffic would write down what a second later is old."""
        now, looked_at = self._clock(), self._looked_at.get(rollout.pipeline)
        if rollout.state in WATCHED and looked_at and (now - looked_at).total_seconds() < EVIDENCE_EVERY_S:
            return False
        self._looked_at[rollout.pipeline] = now
        return True

    async def _edges(self, rollout: Rollout, champion: Rollout | None, deployment: Deployment) -> tuple[float, ...]:
        """Find the cells that scores will be compared in: the champion's own, read once per rollout.

        Raises:
            TransientError: They can't be read yet, and there is time.
        """
        if champion is None or not rollout.stages or rollout.state is not RolloutState.LOADING:
            return rollout.evidence.score_edges
        if rollout.evidence.score_edges:
            return rollout.evidence.score_edges
        try:
            return await self._cells.edges(champion.bundle_uri, champion.bundle_digest)
        except TransientError as error:
            if not is_late(rollout, deployment, now=self._clock()):
                raise
            # A champion whose bundle is gone must not be champion for ever; the other tests go on.
            log.warning("scores can't be compared", pipeline=rollout.pipeline, detail=str(error))
            return ()

    async def _advance(self, work: Work, rollout_id: UUID, fleet: Fleet, edges: tuple[float, ...]) -> bool:
        """Take a rollout on, if it can be; tell whether it is in another state or step now."""
        async with work.transaction() as transaction:
            rollouts, deployments = transaction.port(Rollouts), transaction.port(Deployments)
            before = await rollouts.get(rollout_id)
            deployment = await deployments.hold(before.pipeline) if before else None
            # Read again under the lock: a newer promotion may have ended it meanwhile.
            before = await rollouts.get(rollout_id)
            if before is None or deployment is None:
                return False
            answering = await rollouts.get(deployment.answering) if deployment.answering else None
            version = answering.version if answering else None
            after = advance(
                before, deployment, fleet, answering=version, flip_timeout=self._flip_timeout, now=self._clock()
            )
            if after == before:
                return False
            settled = settle(deployment, after)
            if settled != deployment:
                await deployments.save(settled)
                answering = await rollouts.get(settled.answering) if settled.answering else None
            await rollouts.save(replace(after, evidence=replace(after.evidence, score_edges=edges)))
            serving_version = answering.version if answering else None
            fact = news(before, after, serving_version=serving_version, url=self._cluster.url(after.pipeline))
            if fact:
                transaction.say(fact, cause=after.cause)
        moved = (before.state, before.step) != (after.state, after.step)
        if moved:
            _tell(before, after)
        return moved


def _tell(before: Rollout, after: Rollout) -> None:
    log.info(
        "rollout went on",
        pipeline=after.pipeline,
        version=after.version,
        rollout_id=str(after.id),
        was=before.state.value,
        state=after.state.value,
        step=after.step,
        detail=after.detail,
    )
