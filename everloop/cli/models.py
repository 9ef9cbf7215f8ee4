"""`everloop models`, `approve`, `reject`, `waive`, `gates`, `rollback`: the registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import metrics, say, show_json, table, when
from everloop.cli.session import outcome, with_platform
from everloop.cli.versions import others

if TYPE_CHECKING:
    from contracts.message import Command, Message
    from contracts.registered_models import ModelAliasMoved, ModelGatesDeclared, ModelVersionGatesWaived
    from contracts.registry import ModelVersionApprovalGiven, ModelVersionPromoted, ModelVersionRejected
    from everloop.client import Platform

    Decided = (
        ModelVersionApprovalGiven
        | ModelVersionPromoted
        | ModelVersionRejected
        | ModelVersionGatesWaived
        | ModelGatesDeclared
        | ModelAliasMoved
    )

DECISION_LIMIT_S = 30.0
Version = Annotated[int, typer.Argument(help="Number of the version.", min=1, show_default=False)]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; recorded for good.", show_default=False)]


def models(
    model: Annotated[str | None, typer.Argument(help="Show the versions of this model.")] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """List models, or the versions of one with their gates and decisions.

    Runs of a pipeline make the versions of one kind of model, MLflow's clients log those of the other.

    Example: everloop models flight_delays
    """

    async def work(platform: "Platform") -> Any:
        return await platform.get("registry", f"/v1/models/{quote(model, safe='')}/versions" if model else "/v1/models")

    found = with_platform(home, work)
    if as_json:
        show_json(found)
    elif model:
        table(
            ("Version", "State", "Aliases", "Metrics", "Decided by", "Why", "Registered"),
            (
                (
                    one["version"],
                    one["state"],
                    " ".join(one["aliases"]),
                    metrics(one["metrics"]),
                    (one["decision"] or {}).get("by"),
                    "\n".join(filter(None, ((one["decision"] or {}).get("reason"), one.get("serving")))),
                    when(one["registered_at"]),
                )
                for one in found
            ),
            empty=f"{model} has no versions yet.",
        )
    else:
        table(
            ("Model", "Kind", "Champion", "Challenger", "Previous", "Policy", "Description"),
            (
                (
                    one["name"],
                    one["kind"],
                    one["aliases"]["champion"],
                    one["aliases"]["challenger"],
                    one["aliases"]["previous"],
                    one["promotion"] and one["promotion"]["policy"],
                    one["description"],
                )
                for one in found
            ),
            empty="No models are registered.",
        )


def approve(
    model: options.Model,
    version: Version,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Approve a version that waits for a person. Where two must, the second approval promotes it.

    Example: everloop approve flight_delays 3 --reason "checked the slices"
    """
    from contracts.registry import ApproveModelVersion

    command = ApproveModelVersion(pipeline=model, version=version, approved_by=options.person(by), reason=reason)
    _decide(command, home, as_json=as_json)


def reject(
    model: options.Model,
    version: Version,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Refuse a version that waits for a person.

    Example: everloop reject flight_delays 3 --reason "worse for small airports"
    """
    from contracts.registry import RejectModelVersion

    command = RejectModelVersion(pipeline=model, version=version, rejected_by=options.person(by), reason=reason)
    _decide(command, home, as_json=as_json)


def rollback(
    model: options.Model,
    reason: Reason,
    to: Annotated[int | None, typer.Option(help="Version to go back to.", show_default="the previous champion")] = None,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make an earlier version champion again; serving follows without a failed request.

    Example: everloop rollback flight_delays --reason "complaints from LGA"
    """
    from contracts.registry import RollBackModel
    from services.registry.keys import key_of

    command = RollBackModel(pipeline=key_of(model), to_version=to, requested_by=options.person(by), reason=reason)
    _decide(command, home, as_json=as_json)


def waive(
    model: options.Model,
    version: Version,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Answer for a version that was only logged: it may be champion though no gate has judged it.

    Versions of pipelines have gates, which nobody waives.

    Example: everloop waive churn 4 --reason "checked by hand against last year"
    """
    from contracts.registered_models import WaiveModelVersionGates
    from services.registry.keys import key_of

    command = WaiveModelVersionGates(
        pipeline=key_of(model), version=version, waived_by=options.person(by), reason=reason
    )
    _decide(command, home, as_json=as_json)


def gates(
    model: options.Model,
    file: Annotated[Path, typer.Argument(help="Gates in TOML or JSON, absolute ones.", exists=True)],
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Declare what versions that are only logged must pass to be champion, by what their runs measured.

    A pipeline's gates are declared in its file.

    Example: everloop gates churn gates.toml --reason "as good as the rules it replaces"
    """
    from pydantic import ValidationError

    from contracts.registered_models import DeclareModelGates
    from everloop.cli.registry import gates_of
    from services.registry.keys import key_of

    try:
        command = DeclareModelGates(
            pipeline=key_of(model), gates=gates_of(file)["gates"], declared_by=options.person(by), reason=reason
        )
    except ValidationError as error:
        raise CommandError(f"{file} has other gates than absolute ones: {error}", Exit.USAGE) from error
    _decide(command, home, as_json=as_json)


def _decide(command: "Command", home: "options.Home", *, as_json: bool) -> None:
    """Say a command and wait for the fact that it led to, or for the registry's refusal."""
    from contracts.registered_models import ModelAliasMoved, ModelGatesDeclared, ModelVersionGatesWaived
    from contracts.registry import (
        ModelCommandRefused,
        ModelVersionApprovalGiven,
        ModelVersionPromoted,
        ModelVersionRejected,
    )

    def answer(message: "Message") -> "Decided | None":
        if isinstance(message, ModelCommandRefused):
            raise CommandError(f"refused: {message.detail}")
        if isinstance(message, ModelVersionPromoted | ModelVersionRejected):
            return message
        if isinstance(message, ModelAliasMoved) and message.kind:
            return message
        if isinstance(message, ModelVersionGatesWaived | ModelGatesDeclared):
            return message
        if isinstance(message, ModelVersionApprovalGiven) and message.missing:
            return message
        return None

    async def work(platform: "Platform") -> "Decided":
        return await outcome(platform, command, answer, within_s=DECISION_LIMIT_S)

    fact = with_platform(home, work)
    if as_json:
        show_json({"event": type(fact).__name__, **fact.model_dump(mode="json")})
    elif isinstance(fact, ModelVersionApprovalGiven):
        say(f"Version {fact.version} of {fact.pipeline} has your approval; {others(fact.missing)} must approve it too.")
    elif isinstance(fact, ModelGatesDeclared):
        say(f"Versions of {fact.pipeline} are held against these gates before one is champion.")
    elif isinstance(fact, ModelVersionGatesWaived):
        say(f"Version {fact.version} of {fact.pipeline} may be champion.")
    elif isinstance(fact, ModelVersionPromoted | ModelAliasMoved):
        say(f"Version {fact.version} of {fact.pipeline} is champion.")
        if isinstance(fact, ModelAliasMoved) and fact.not_served:
            say(f"[yellow]It is not served: {fact.not_served}.[/yellow]")
    else:
        say(f"Version {fact.version} of {fact.pipeline} is refused.")
