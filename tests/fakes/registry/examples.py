"""Runs, what they left, and a registry in memory that hears of them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts.bundle import BundleFile, DataType, FileEntry, Manifest, Signature, TensorSpec
from contracts.catalog import MESSAGES
from contracts.jobs import Engine, SplitReport, TrainingReport
from contracts.message import Message
from contracts.pipeline import Gate, Objective, Policy, TriggerKind
from contracts.streams import TRACKING, stream_of
from contracts.training import Cause as TrainingCause
from contracts.training import PipelineRegistered, TrainingRunStarted, TrainingRunSucceeded
from services.chassis.subscriptions import Cause
from services.registry import handlers
from services.registry.domain import Evidence
from services.registry.expiry import Expirer
from services.registry.inspection import Inspector
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.ports import AliasHistory, Inspections, Models, Versions
from services.registry.tracking.ports import Experiments, Log, Runs
from tests.contracts import examples
from tests.contracts.examples import GATES, NOON, PIPELINE, digest
from tests.fakes.registry.alias_history import InMemoryAliasHistory
from tests.fakes.registry.bundles import InMemoryBundles
from tests.fakes.registry.inspections import InMemoryInspections
from tests.fakes.registry.models import InMemoryModels
from tests.fakes.registry.named import InMemoryNamedAliases, InMemoryNamedModels, InMemoryNamedVersions
from tests.fakes.registry.tracking import InMemoryExperiments, InMemoryRuns
from tests.fakes.registry.versions import InMemoryVersions
from tests.fakes.work import InMemoryWork

SPLIT = SplitReport(rows=100, start=NOON - timedelta(days=90), end=NOON)


def run_id(number: int) -> UUID:
    """Name a run by a number."""
    return uuid5(examples.RUN, str(number))


def pipeline_registered(
    *, gates: tuple[Gate, ...] = GATES, policy: Policy = Policy.AUTO, **promotion: Any
) -> PipelineRegistered:
    """Register the pipeline of the story."""
    definition = examples.definition(gates=gates, policy=policy, **promotion)
    return PipelineRegistered(pipeline=PIPELINE, definition=definition, code=examples.code())


def training_run_started(**changes: Any) -> TrainingRunStarted:
    """Say that the first run began."""
    content = {
        "pipeline": PIPELINE,
        "run_id": run_id(1),
        "attempt": 1,
        "cause": TrainingCause(kind=TriggerKind.DATA, message_id="m-0", reason="new data"),
        "dataset_version": 3,
        "dataset_digest": digest("d"),
        "code_digest": digest("c"),
        "parameters": {"num_leaves": 31},
    }
    return TrainingRunStarted(**(content | changes))


def run_succeeded(number: int = 1, **changes: Any) -> TrainingRunSucceeded:
    """Say that a run succeeded."""
    own = {"run_id": run_id(number), "bundle_uri": f"/store/runs/{number}/bundle", **changes}
    return examples.training_run_succeeded(**own)


def report(number: int = 1, **changes: Any) -> TrainingReport:
    """Report on a run."""
    content: dict[str, Any] = {
        "run_id": run_id(number),
        "pipeline": PIPELINE,
        "bundle_uri": f"/store/runs/{number}/bundle",
        "bundle_digest": digest("b"),
        "model_digest": digest("f"),
        "metrics": {"auc": 0.71},
        "train": SPLIT,
        "validation": SPLIT,
        "holdout": SPLIT,
        "engine": Engine.IN_PROCESS,
        "device": "cpu",
        "stages_s": {"fit": 1.0},
        "started_at": NOON,
        "finished_at": NOON,
    }
    return TrainingReport(**(content | changes))


def manifest(number: int = 1, **lineage: Any) -> Manifest:
    """List what a run's bundle holds."""
    digests = {BundleFile.MODEL: digest("f"), BundleFile.ENVIRONMENT: digest("e"), BundleFile.CODE: digest("c")}
    files = tuple(
        FileEntry(path=file.value, digest=digests.get(file, digest("9")), size_bytes=10) for file in BundleFile
    )
    return Manifest(
        pipeline=PIPELINE,
        objective=Objective.BINARY_CLASSIFICATION,
        signature=Signature(
            inputs=(TensorSpec(name="distance", datatype=DataType.FP64),),
            outputs=(TensorSpec(name="score", datatype=DataType.FP64),),
        ),
        lineage=examples.lineage().model_copy(update={"run_id": run_id(number), **lineage}),
        files=files,
    )


def evidence(number: int = 1, **changes: Any) -> Evidence:
    """What a run left, as the registry finds it."""
    return Evidence(manifest(number), report(number, **changes), card="# Flight delays")


def cause(message_id: str = "m-1", at: datetime = NOON) -> Cause:
    """Be caused by a message."""
    return Cause(message_id, correlation_id="story-1", said_at=at, received_at=at, traceparent=None)


TRACKING_FACTS = frozenset(message for message in MESSAGES if stream_of(message) is TRACKING)


@dataclass
class InMemoryRegistry:
    """The registry's handlers and its inspector over ports in memory."""

    models: InMemoryModels = field(default_factory=InMemoryModels)
    versions: InMemoryVersions = field(default_factory=InMemoryVersions)
    history: InMemoryAliasHistory = field(default_factory=InMemoryAliasHistory)
    inspections: InMemoryInspections = field(default_factory=InMemoryInspections)
    bundles: InMemoryBundles = field(default_factory=InMemoryBundles)
    experiments: InMemoryExperiments = field(default_factory=InMemoryExperiments)
    runs: InMemoryRuns = field(default_factory=InMemoryRuns)
    tracked: list[Message] = field(default_factory=list)
    now: datetime = NOON
    max_attempts: int = 3

    def __post_init__(self) -> None:
        self.ports: dict[type, object] = {
            Models: self.models,
            Versions: self.versions,
            AliasHistory: self.history,
            Inspections: self.inspections,
            Experiments: self.experiments,
            Runs: self.runs,
            Log: self.runs,
            NamedModels: InMemoryNamedModels(self.models),
            NamedVersions: InMemoryNamedVersions(self.versions, InMemoryNamedAliases(self.history)),
        }
        self._heard = 0

    async def hear(self, message: Message, *, message_id: str | None = None) -> list[Message]:
        """Handle a message and inspect what it makes due; returns all that was said, but of experiments and runs."""
        self._heard += 1
        caused = cause(message_id or f"heard-{self._heard}", self.now)
        table = {subscription.message: subscription for subscription in handlers.SUBSCRIPTIONS}
        subscription = table[type(message)]
        given: dict[type, object] = {**self.ports, Cause: caused}
        ports = {name: given[port] for name, port in subscription.ports.items()}
        said = await subscription.handler(message, **ports)
        self.tracked += [fact for fact in said if type(fact) in TRACKING_FACTS]
        return [*(fact for fact in said if type(fact) not in TRACKING_FACTS), *await self.inspect()]

    async def inspect(self) -> list[Message]:
        """Let the inspector do what is due now; returns what was said."""
        work = InMemoryWork(self.ports)
        inspector = Inspector(self.bundles, max_attempts=self.max_attempts, clock=lambda: self.now)
        await inspector.step(work)  # type: ignore[arg-type]  # the chassis' own needs a database
        return work.said

    async def expire(self) -> list[Message]:
        """Let what waited for too long be refused; returns what was said."""
        work = InMemoryWork(self.ports)
        await Expirer(clock=lambda: self.now).step(work)  # type: ignore[arg-type]  # as above
        return work.said

    async def succeed(self, number: int, **changes: Any) -> list[Message]:
        """Let a run leave its bundle and succeed; returns what was said."""
        found = evidence(number, **changes)
        self.bundles.evidence[found.report.bundle_uri] = found
        return await self.hear(run_succeeded(number))
