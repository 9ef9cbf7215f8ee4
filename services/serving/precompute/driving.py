"""Sees to it that what is wanted is precomputed: records it, submits its job, follows the job, says how it ended.

Each step asks the cluster and the store outside of any transaction and writes one state on, if the precomputation
still is as it was seen. So a step may be killed anywhere: what the cluster already has is found there by its name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts import telemetry as names
from contracts.message import Message, utc_now
from contracts.precompute import PrecomputationFailure
from services.chassis.errors import RejectedError
from services.chassis.jobs import Jobs, JobStatus, job_environment
from services.chassis.logs import Log
from services.chassis.reconciling import side_by_side
from services.chassis.telemetry import current_traceparent
from services.chassis.work import Transaction, Work
from services.serving.desired import DesiredLookup
from services.serving.ports import Deployments, Rollouts
from services.serving.precompute.domain import (
    Plan,
    Precomputation,
    State,
    Wish,
    follow,
    overdue,
    precomputation,
    superfluous,
    wish,
)
from services.serving.precompute.handlers import answering
from services.serving.precompute.ports import Plans, Precomputations, PredictionFiles

Change = tuple[Precomputation, list[Message]]

log = Log(__name__)


async def lookup_of(transaction: Transaction, pipeline: str, version: int | None) -> DesiredLookup | None:
    """Find what replicas shall look scores up in while a version answers: never another version's."""
    plan = await transaction.port(Plans).get(pipeline)
    if version is None or plan is None or plan.precompute is None:
        return None
    one = await transaction.port(Precomputations).newest_completed(pipeline, version)
    if one is None or one.report is None:
        return None
    max_age = plan.precompute.max_age
    return DesiredLookup(
        precomputation_id=one.id,
        version=version,
        uri=one.report.lookup.uri,
        digest=one.report.lookup.digest,
        max_age_s=max_age.total_seconds() if max_age else None,
    )


@dataclass(frozen=True)
class PrecomputeDriver:
    """Drives precomputations. One reconciler of the service."""

    jobs: Jobs
    files: PredictionFiles
    python: str
    """The interpreter that runs jobs on the cluster; the job is the installed platform's, as replicas are."""
    otlp_endpoint: str | None = None
    clock: Callable[[], datetime] = utc_now

    async def step(self, work: Work) -> None:
        """Record what is wanted, and take what is open as far as it goes; one that can't go on holds up no other.

        Raises:
            TransientError: The cluster or the store cannot be reached; the next step tries again.
            ExceptionGroup: What else kept them from going on.
        """
        async with work.transaction(write=False) as tx:
            plans = await tx.port(Plans).all()
        for plan in plans:
            await self._want(plan, work)
        async with work.transaction(write=False) as tx:
            unfinished = await tx.port(Precomputations).open()
        await side_by_side(self._drive(one, work) for one in unfinished)

    async def _want(self, plan: Plan, work: Work) -> None:
        async with work.transaction(write=False) as tx:
            candidate = await answering(plan.pipeline, tx.port(Deployments), tx.port(Rollouts))
            wanted = wish(plan, candidate) if candidate else None
            if candidate is None or wanted is None:
                return
            wanted, known = await _newest(wanted, candidate.version, tx.port(Precomputations))
        if not _wanted_again(known):
            return
        one = precomputation(plan, candidate, wanted, now=self.clock())
        async with work.transaction() as tx:
            known = await tx.port(Precomputations).hold(wanted.id)
            if _wanted_again(known):
                await tx.port(Precomputations).save(known.renewed(wanted, self.clock()) if known else one)
                log.info("precomputation is wanted", pipeline=plan.pipeline, version=one.version, reason=one.reason)

    async def _drive(self, one: Precomputation, work: Work) -> None:
        async with work.transaction(write=False) as tx:
            others = await tx.port(Precomputations).open(one.pipeline)
        if newer := superfluous(one, others):
            if one.state is not State.PENDING:
                await self.jobs.stop(one.submission_id)
            detail = f"version {newer.version} on dataset version {newer.dataset.version} is wanted instead"
            await self._change(
                one, work, lambda now: now.failed(PrecomputationFailure.SUPERSEDED, detail, self.clock())
            )
            return
        match one.state:
            case State.PENDING:
                if all(other.id == one.id or other.state is State.PENDING for other in others):
                    await self._change(one, work, lambda now: (now.begin(), []))
            case State.SUBMITTING:
                await self._submit(one, work)
            case State.RUNNING:
                await self._follow(one, work)
            case State.COMPLETED | State.FAILED | State.DELETING | State.DELETED:
                return
            case _:
                assert_never(one.state)

    async def _submit(self, one: Precomputation, work: Work) -> None:
        spec_uri = await self.files.write_spec(one)
        # Ray answers a name it knows with 500: ask first.
        if (await self.jobs.job(one.submission_id)).status is JobStatus.UNKNOWN:
            try:
                await self._begin(one, spec_uri)
            except RejectedError as error:
                detail = str(error)
                await self._change(
                    one, work, lambda now: now.failed(PrecomputationFailure.REFUSED, detail, self.clock())
                )
                return
        await self._change(one, work, lambda now: now.submitted())

    async def _begin(self, one: Precomputation, spec_uri: str) -> None:
        parent = TraceContextTextMapPropagator().extract({"traceparent": one.cause.traceparent or ""})
        about: dict[str, str | int] = {names.PIPELINE: one.pipeline, names.MODEL_VERSION: one.version}
        with trace.get_tracer("everloop").start_as_current_span("submit prediction job", parent, attributes=about):
            await self.jobs.submit(
                one.submission_id,
                [self.python, "-m", "ray_jobs.predict", spec_uri],
                cpus=one.rules.cpus,
                environment=job_environment(
                    traceparent=current_traceparent() or one.cause.traceparent, otlp_endpoint=self.otlp_endpoint
                ),
            )
        log.info("prediction job submitted", submission_id=one.submission_id, pipeline=one.pipeline)

    async def _follow(self, one: Precomputation, work: Work) -> None:
        job = await self.jobs.job(one.submission_id)
        now = self.clock()
        if overdue(one, job, now):
            await self.jobs.stop(one.submission_id)
            detail = f"ran longer than {one.rules.timeout_s:g} s"
            await self._change(one, work, lambda current: current.failed(PrecomputationFailure.TIMED_OUT, detail, now))
            return
        report = await self.files.report(one) if job.status in (JobStatus.SUCCEEDED, JobStatus.UNKNOWN) else None
        await self._change(one, work, lambda current: follow(current, job, report, now))

    async def _change(self, seen: Precomputation, work: Work, transition: Callable[[Precomputation], Change]) -> None:
        """Take a precomputation one transition further, unless it meanwhile is another's turn."""
        if transition(seen)[0] == seen:
            return
        async with work.transaction() as tx:
            current = await tx.port(Precomputations).hold(seen.id)
            if current is None or (current.state, current.attempt) != (seen.state, seen.attempt):
                return
            after, says = transition(current)
            await tx.port(Precomputations).save(after)
            for message in says:
                tx.say(message, cause=after.cause)
        log.info(
            "precomputation went on",
            precomputation_id=str(after.id),
            pipeline=after.pipeline,
            was=seen.state.value,
            state=after.state.value,
            detail=after.detail,
        )


async def _newest(wanted: Wish, version: int, precomputations: Precomputations) -> tuple[Wish, Precomputation | None]:
    """Find what came of a wish. Where it was deleted and is missed, it is wished anew, for files of its own."""
    known = await precomputations.get(wanted.id)
    while known and known.is_missed(version):
        wanted = wanted.anew()
        known = await precomputations.get(wanted.id)
    return wanted, known


def _wanted_again(known: Precomputation | None) -> bool:
    return known is None or (known.state is State.FAILED and known.failure is PrecomputationFailure.SUPERSEDED)
