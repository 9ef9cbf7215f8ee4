"""Looks whether replicas are what is desired of them, and says when they are not. One reconciler of the service."""

from collections.abc import Callable
from datetime import datetime, timedelta

from contracts.message import utc_now
from services.chassis.work import Work
from services.serving.divergence import differences, judge_divergence
from services.serving.domain import Deployment, RolloutState
from services.serving.ports import Board, Deployments, Rollouts


class Inspector:
    """Holds what replicas report against the board.

    Since when something differs is known to this process only: the patience begins anew where it starts anew. That it
    was said is on record.
    """

    def __init__(
        self, board: Callable[[], Board], patience: timedelta, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._board = board
        self._patience = patience
        self._clock = clock
        self._since: dict[str, datetime] = {}

    async def step(self, work: Work) -> None:
        """Inspect every model that should answer."""
        async with work.transaction(write=False) as transaction:
            deployments = [one for one in await transaction.port(Deployments).all() if one.answering]
        for deployment in deployments:
            await self._inspect(work, deployment)

    async def _inspect(self, work: Work, deployment: Deployment) -> None:
        pipeline, now = deployment.pipeline, self._clock()
        board = self._board()
        desired = await board.desired(pipeline)
        if desired is None:
            return
        reports = await board.reports(pipeline)
        async with work.transaction(write=False) as transaction:
            waiting = await transaction.port(Rollouts).open(pipeline)
        on_the_way = {one.version for one in waiting if one.state is RolloutState.LOADING}
        found = differences(desired, reports, replicas=deployment.fewest_replicas, on_the_way=on_the_way)
        since = self._since.setdefault(pipeline, now) if found else now
        if not found:
            self._since.pop(pipeline, None)
        _, fact = judge_divergence(deployment, found, since=since, now=now, patience=self._patience)
        if fact is None:
            return
        async with work.transaction() as transaction:
            held = await transaction.port(Deployments).hold(pipeline)
            if held is None:
                return
            # Read again under the lock: a rollout may have changed the rest of it meanwhile.
            judged, fact = judge_divergence(held, found, since=since, now=now, patience=self._patience)
            await transaction.port(Deployments).save(judged)
            if fact:
                transaction.say(fact)
