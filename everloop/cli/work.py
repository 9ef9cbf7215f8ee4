"""`everloop ingest`, `train`, `runs`: data in, models out."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.bus import summary
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import metrics, progress, say, show_json, table, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from uuid import UUID

    from contracts.message import Command, Message
    from everloop.client import Platform, Receipt

Pipeline = Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)]


def ingest(
    pipeline: Pipeline,
    file: Annotated[str, typer.Argument(help="A Parquet or CSV file, or the URI of one.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Take the dataset's place instead of adding.")] = False,
    wait: options.Wait = False,
    wait_limit: options.WaitLimit = 600,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take a file of rows into a pipeline's dataset; a trigger may train on it.

    Example: everloop ingest flight_delays january.parquet --wait
    """
    from contracts.ingestion import DatasetIngested, DatasetRejected, IngestDataset, IngestMode

    path = Path(file)
    if "://" not in file and not path.is_file():
        raise CommandError(f"there is no file {file}", Exit.USAGE)
    uri = file if "://" in file else str(path.resolve())
    mode = IngestMode.REPLACE if replace else IngestMode.APPEND
    fact = _command(
        IngestDataset(pipeline=pipeline, uri=uri, mode=mode),
        home,
        over=lambda event: isinstance(event, DatasetIngested | DatasetRejected),
        wait_limit=wait_limit if wait else None,
        as_json=as_json,
    )
    if isinstance(fact, DatasetRejected):
        from rich.markup import escape

        for violation in fact.violations:
            progress(f"[red]{violation.rule}[/red] {violation.column or ''} {escape(violation.detail)}")
        raise CommandError(f"the batch was rejected: {len(fact.violations)} violations")
    if isinstance(fact, DatasetIngested) and not as_json:
        say(f"{pipeline} dataset version {fact.dataset_version}: {fact.new_rows} new rows, {fact.rows} in all.")


def train(
    pipeline: Pipeline,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; recorded for good.")] = "asked by a person",
    dataset: Annotated[int | None, typer.Option(help="Version of the dataset.", show_default="the newest")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-P", metavar="NAME=VALUE", help="Override a trainer's parameter."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run.", show_default="the pipeline's", min=0)] = None,
    by: options.By = None,
    wait: options.Wait = False,
    wait_limit: options.WaitLimit = 3600,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Train now, because you say so.

    Example: everloop train flight_delays -P num_leaves=63 --wait
    """
    from contracts.pipeline import TriggerKind
    from contracts.training import StartTrainingRun, TrainingRunFailed, TrainingRunSkipped, TrainingRunSucceeded

    def over(event: "Message") -> bool:
        if isinstance(event, TrainingRunSkipped):
            # A run that begins answers causes that waited, and that is told in its story too.
            return event.cause.kind is TriggerKind.PERSON
        return isinstance(event, TrainingRunSucceeded | TrainingRunFailed)

    command = StartTrainingRun(
        pipeline=pipeline,
        reason=reason,
        requested_by=options.person(by),
        dataset_version=dataset,
        parameters=dict(map(_parameter, parameter or ())),
        seed=seed,
    )
    fact = _command(command, home, over=over, wait_limit=wait_limit if wait else None, as_json=as_json)
    if isinstance(fact, TrainingRunSkipped) and fact.run_id:
        progress(f"Joined run {fact.run_id}, which already answers this.")
        fact = _outcome(fact.pipeline, fact.run_id, home, wait_limit)
    if isinstance(fact, TrainingRunFailed):
        raise CommandError(
            f"the run failed ({fact.reason}): {fact.detail.strip().splitlines()[-1] if fact.detail else ''}"
        )
    if isinstance(fact, TrainingRunSkipped):
        raise CommandError(f"no run was started: {fact.detail or fact.reason}")
    if isinstance(fact, TrainingRunSucceeded) and not as_json:
        say(f"Run {fact.run_id} succeeded in {fact.duration_s:.1f} s: {metrics(fact.metrics)}")


def runs(
    pipeline: Annotated[str | None, typer.Argument(help="Only of this pipeline.")] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """List training runs, newest first: why each exists and how it went; then what waits, and for what.

    Example: everloop runs flight_delays
    """
    from everloop.cli.standings import show_standing

    async def work(platform: "Platform") -> tuple[Any, list[Any]]:
        found = await platform.get("training", "/v1/runs", **({"pipeline": pipeline} if pipeline else {}))
        if as_json:
            return found, []
        names = [pipeline] if pipeline else [one["name"] for one in await platform.get("training", "/v1/pipelines")]
        return found, [await platform.get("training", f"/v1/pipelines/{name}") for name in names]

    found, pipelines = with_platform(home, work)
    if as_json:
        show_json(found)
        return
    table(
        ("Run", "Pipeline", "State", "Cause", "Dataset", "Attempts", "Outcome", "Began"),
        (
            (
                one["run_id"],
                one["pipeline"],
                one["state"],
                f"{one['cause']['kind']} {one['cause']['reason']}".strip(),
                one["dataset_version"],
                one["attempts"],
                _outcome_of(one),
                when(one["created_at"]),
            )
            for one in found
        ),
        empty="No run has been asked for yet.",
    )
    for one in pipelines:
        show_standing(one["name"], one["retraining"])


def _command(
    command: "Command",
    home: Path | None,
    *,
    over: "Callable[[Message], bool]",
    wait_limit: float | None,
    as_json: bool,
) -> "Message | None":
    """Say a command; where a limit is given, show what it leads to until that is over."""

    async def work(platform: "Platform") -> "Message | None":
        receipt = await platform.bus.say(command, source="cli")
        fact = await _watch(platform, receipt, command.pipeline, over, wait_limit) if wait_limit else None
        if as_json:
            told = {"event": type(fact).__name__, **fact.model_dump(mode="json")} if fact else {}
            show_json({"message_id": receipt.message_id, **told})
        elif fact is None:
            say(f"Asked. [dim]everloop trace {receipt.message_id}[/dim]")
        return fact

    return with_platform(home, work)


async def _watch(
    platform: "Platform", receipt: "Receipt", pipeline: str, over: "Callable[[Message], bool]", limit_s: float
) -> "Message":
    from rich.markup import escape

    story = platform.story(receipt.message_id, since=receipt.mark, within_s=limit_s, pipeline=pipeline)
    async with aclosing(story):
        async for heard in story:
            message = heard.message
            progress(
                f"[dim]{when(heard.stored_at)}[/dim]  {type(message).__name__ if message else heard.envelope.type}  "
                f"[dim]{escape(summary(heard.envelope.data))}[/dim]"
            )
            if message and over(message):
                return message
    raise CommandError("the broker closed the stream", Exit.TRY_AGAIN)


def _outcome(pipeline: str, run_id: "UUID", home: Path | None, limit_s: float) -> "Message":
    """Wait for the end of a run that others asked for."""
    from contracts.training import TrainingRunFailed, TrainingRunSucceeded

    async def work(platform: "Platform") -> "Message":
        subject = f"events.training.run.*.*.{pipeline}"
        async with asyncio.timeout(limit_s), aclosing(platform.bus.follow(subject, since=0)) as events:
            async for heard in events:
                over = heard.message
                if isinstance(over, TrainingRunSucceeded | TrainingRunFailed) and over.run_id == run_id:
                    return over
        raise CommandError("the broker closed the stream", Exit.TRY_AGAIN)

    try:
        return with_platform(home, work)
    except TimeoutError as error:
        raise CommandError(f"run {run_id} was not over within {limit_s:g} s", Exit.TRY_AGAIN) from error


def _percent(step: "dict[str, Any] | None") -> str:
    return f"{step['stage']} {step['fraction']:.0%}" if step else ""


def _parameter(text: str) -> "tuple[str, bool | int | float | str]":
    import json

    name, given, value = text.partition("=")
    if not given or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--parameter")
    try:
        read = json.loads(value)
    except ValueError:
        return name, value
    return name, read if isinstance(read, bool | int | float | str) else value


def _outcome_of(run: Mapping[str, Any]) -> str:
    """Say what became of a run: its candidate, else its model, else its failure, else how far it is."""
    if verdict := run["verdict"]:
        return f"{verdict['outcome']} by {verdict['by']}: {verdict['reason'][:60]}"
    return metrics(run["metrics"]) or run["detail"][:60] or _percent(run["progress"])
