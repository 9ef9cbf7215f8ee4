"""Deletes scores some days after nobody needs them any more. One reconciler of the service.

First the record says that they go, so that nobody is offered them; then their files go; then the record says that they
are gone. Killed in between it goes on there, and what is deleted already is no error.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from contracts.message import utc_now
from services.chassis.jobs import Jobs
from services.chassis.logs import Log
from services.chassis.reconciling import side_by_side
from services.chassis.work import Transaction, Work
from services.serving.ports import Board, Deployments, Rollouts
from services.serving.precompute.domain import GONE, Precomputation, State
from services.serving.precompute.ports import Plans, Precomputations, PredictionFiles

log = Log(__name__)


def retire(one: Precomputation, needed: Collection[UUID], *, keep: timedelta, now: datetime) -> Precomputation:
    """Say what becomes of one that is over.

    Its time is counted from when it was last needed, not from when it was made: whoever begins to read the former
    version of the table has as long to finish, however old that version is.

    Args:
        one: Completed or failed.
        needed: Those that stay, whatever their age.
        keep: How long the others do.
        now: The time.
    """
    if one.id in needed:
        return one.model_copy(update={"unneeded_since": None})
    since = one.unneeded_since or now
    state = State.DELETING if now - since >= keep else one.state
    return one.model_copy(update={"unneeded_since": since, "state": state})


@dataclass(frozen=True)
class Retention:
    """Deletes what nobody looks up, would look up after the way back, or reads."""

    jobs: Jobs
    files: PredictionFiles
    board: Callable[[], Board]
    keep: timedelta
    clock: Callable[[], datetime] = utc_now

    async def step(self, work: Work) -> None:
        """Look at every model.

        Raises:
            TransientError: Cluster, store or board cannot be reached; the next step tries again.
            ExceptionGroup: What else kept files from being deleted.
        """
        async with work.transaction(write=False) as tx:
            plans = await tx.port(Plans).all()
        await side_by_side(self._sweep(plan.pipeline, work) for plan in plans)

    async def _sweep(self, pipeline: str, work: Work) -> None:
        await self._retire(pipeline, work)
        await self._delete(pipeline, work)

    async def _retire(self, pipeline: str, work: Work) -> None:
        reports = await self.board().reports(pipeline)
        read = {*(report.lookup for report in reports if report.lookup), *await self.files.in_table(pipeline)}
        if (desired := await self.board().desired(pipeline)) and desired.lookup:
            read.add(desired.lookup.precomputation_id)
        async with work.transaction() as tx:
            needed = read | await _looked_up(pipeline, tx)
            precomputations = tx.port(Precomputations)
            for seen in await precomputations.over(pipeline):
                one = await precomputations.hold(seen.id)
                if one is None or one.state not in (State.COMPLETED, State.FAILED):
                    continue
                retired = retire(one, needed, keep=self.keep, now=self.clock())
                if retired != one:
                    await precomputations.save(retired)

    async def _delete(self, pipeline: str, work: Work) -> None:
        async with work.transaction(write=False) as tx:
            going = [one for one in await tx.port(Precomputations).over(pipeline) if one.state in GONE]
        for one in going:
            # One that was given up can still write for a moment, and commit.
            if one.attempt and not (await self.jobs.job(one.submission_id)).status.ended:
                continue
            if one.id in await self.files.in_table(pipeline):
                continue
            freed_bytes = await self.files.delete(one)
            async with work.transaction() as tx:
                gone = one.model_copy(update={"state": State.DELETED, "deleted_at": self.clock()})
                await tx.port(Precomputations).save(gone)
            log.info(
                "precomputation deleted",
                precomputation_id=str(one.id),
                pipeline=pipeline,
                version=one.version,
                dataset_version=one.dataset.version,
                freed_bytes=freed_bytes,
            )


async def _looked_up(pipeline: str, tx: Transaction) -> set[UUID]:
    """Find what is looked up now, after the way back, or once a rollout under way is through."""
    rollouts, precomputations = tx.port(Rollouts), tx.port(Precomputations)
    # No promotion changes it before this transaction ends.
    deployment = await tx.port(Deployments).hold(pipeline)
    held = (deployment.answering, deployment.previous) if deployment else ()
    known = [*await rollouts.open(pipeline), *[await rollouts.get(id_) for id_ in held if id_]]
    newest = [await precomputations.newest_completed(pipeline, one.version) for one in known if one]
    return {one.id for one in newest if one}
