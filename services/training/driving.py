"""Sees every unfinished run through: pins it, submits its job, follows the job, says how it ended.

Each step asks the cluster and the store outside of any transaction, then takes the run one transition further in
a short one, if the run still is as it was seen. So a step may be killed anywhere: what the cluster already has is
found there by its submission id, and what was not written down is found out again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts import telemetry as names
from contracts.jobs import TrainingSpec
from contracts.message import utc_now
from contracts.pipeline import TrainerName
from contracts.training import FailureReason
from services.chassis.errors import RejectedError
from services.chassis.jobs import Jobs, JobStatus, job_environment
from services.chassis.logs import Log
from services.chassis.reconciling import side_by_side
from services.chassis.telemetry import current_traceparent
from services.chassis.work import Work
from services.training.attempts import follow, stopped
from services.training.domain import specify
from services.training.ports import Pipelines, RunFiles, Runs
from services.training.run import Change, Run, RunState

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """How a job begins on the cluster."""

    python: str
    cache: str
    otlp_endpoint: str | None = None

    def command(self, spec: TrainingSpec, spec_uri: str) -> list[str]:
        """Write the command: unpack the very code of the run, then train."""
        bootstrap = [self.python, "-m", "ray_jobs.bootstrap", spec.code.uri, spec.code.digest, self.cache]
        return [*bootstrap, "ray_jobs.train", spec_uri]


def entrypoint_cpus(spec: TrainingSpec) -> float:
    """Say what the entrypoint itself takes; the workers of a distributed trainer ask for their own."""
    trainer = spec.definition.trainer
    match trainer.name:
        case TrainerName.LIGHTGBM:
            return trainer.cpus_per_worker
        case TrainerName.TORCH:
            return 0
        case _:
            assert_never(trainer.name)


@dataclass(frozen=True)
class Driver:
    """Drives runs. Progress is said at once when the stage changes, else at most every ``progress_interval``."""

    cluster: Jobs
    files: RunFiles
    entrypoint: Entrypoint
    progress_interval: timedelta
    clock: Callable[[], datetime] = utc_now

    async def step(self, work: Work) -> None:
        """Take every unfinished run as far as it goes now; one that cannot go on holds up no other.

        Raises:
            TransientError: The cluster or the store cannot be reached; the next step tries again.
            ExceptionGroup: What else kept runs from going on.
        """
        async with work.transaction(write=False) as tx:
            runs = await tx.port(Runs).unfinished()
        await side_by_side(self._drive(run, work) for run in runs)

    async def _drive(self, run: Run, work: Work) -> None:
        match run.state:
            case RunState.DEBOUNCING:
                await self._pin(run, work)
            case RunState.SUBMITTING:
                await self._submit(run, work)
            case RunState.RUNNING:
                await self._follow(run, work)
            case RunState.STOPPING:
                await self._stop(run, work)
            case RunState.AWAITING_APPROVAL | RunState.SUCCEEDED | RunState.FAILED | RunState.CANCELLED:
                return
            case _:
                assert_never(run.state)

    async def _pin(self, run: Run, work: Work) -> None:
        if run.ready_at > self.clock():
            return
        async with work.transaction(write=False) as tx:
            pipeline = await tx.port(Pipelines).get(run.pipeline)
            dataset = await tx.port(Pipelines).dataset(run.pipeline, run.dataset_version)
        if pipeline is None or dataset is None:
            raise LookupError(f"run {run.run_id} has lost its pipeline or its dataset")
        spec = specify(run, pipeline, dataset, self.files.directory(run.run_id))
        await self._change(run, work, lambda now: now.pin(spec, dataset.last_event))

    async def _submit(self, run: Run, work: Work) -> None:
        spec_uri = await self.files.write_spec(run.pinned)
        seen = await self.cluster.job(run.submission_id)
        now = self.clock()
        if seen.status is JobStatus.UNKNOWN:
            try:
                await self._begin(run, spec_uri)
            except RejectedError as error:
                detail = str(error)
                await self._change(run, work, lambda current: current.fail(FailureReason.REJECTED, detail, now))
                return
        await self._change(run, work, lambda current: current.submitted(now))

    async def _begin(self, run: Run, spec_uri: str) -> None:
        parent = TraceContextTextMapPropagator().extract({"traceparent": run.origin.traceparent or ""})
        about = {names.PIPELINE: run.pipeline, names.RUN_ID: str(run.run_id)}
        with trace.get_tracer("everloop").start_as_current_span("submit training job", parent, attributes=about):
            await self.cluster.submit(
                run.submission_id,
                self.entrypoint.command(run.pinned, spec_uri),
                cpus=entrypoint_cpus(run.pinned),
                environment=job_environment(
                    traceparent=current_traceparent() or run.origin.traceparent,
                    otlp_endpoint=self.entrypoint.otlp_endpoint,
                ),
            )
        log.info("training job submitted", submission_id=run.submission_id, pipeline=run.pipeline)

    async def _follow(self, run: Run, work: Work) -> None:
        job = await self.cluster.job(run.submission_id)
        result = None
        if job.status in (JobStatus.SUCCEEDED, JobStatus.UNKNOWN):
            result = await self.files.result(run)
        now = self.clock()
        await self._change(run, work, lambda current: follow(current, job, result, now))
        if job.status is JobStatus.RUNNING:
            await self._tell_progress(run, work, now)

    async def _tell_progress(self, run: Run, work: Work, now: datetime) -> None:
        line = await self.files.progress(run)
        if line and run.tells(line, now, every=self.progress_interval):
            await self._change(run, work, lambda current: current.progressed(line, now))

    async def _stop(self, run: Run, work: Work) -> None:
        job = await self.cluster.job(run.submission_id)
        if not job.status.ended:
            await self.cluster.stop(run.submission_id)
        now = self.clock()
        await self._change(run, work, lambda current: stopped(current, job, now))

    async def _change(self, seen: Run, work: Work, transition: Callable[[Run], Change]) -> None:
        """Take a run one transition further, unless it meanwhile is another's turn."""
        if transition(seen).run == seen:
            return
        async with work.transaction() as tx:
            current = await tx.port(Runs).claim(seen.run_id)
            if current is None or (current.state, current.attempt) != (seen.state, seen.attempt):
                return
            after, says = transition(current)
            await tx.port(Runs).save(after)
            for message in says:
                tx.say(message, cause=after.origin)
