"""`everloop why` and `everloop trace`: what is behind an answer, and how it came about."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError
from everloop.cli.output import commit_of, console, gate_name, metrics, number, show_json, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from rich.tree import Tree

    from everloop.client import Platform
    from everloop.client.why import Why
    from everloop.traces.finding import Trace


def why(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Of a prediction, as the model's answer gave it, or anything `everloop lineage` takes."
        ),
    ],
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Explain a prediction: model, run, data, code, environment, gates, and who promoted it.

    Anything else is followed both ways, as `everloop lineage` does.

    Example: everloop why 0197f3c2-7d1e-7c3a-9f0a-3c5be5a4f001
    """
    from everloop.cli.lineages import lineage
    from everloop.client import RefusedError

    async def work(platform: "Platform") -> "Why | None":
        from everloop.client.why import why as explain

        try:
            return await explain(platform, identity)
        except RefusedError:
            return None

    answer = with_platform(home, work)
    if answer is None:
        lineage(identity, home=home, as_json=as_json)
    elif as_json:
        show_json(answer.model_dump(mode="json"))
    else:
        console().print(why_tree(answer))


def trace(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Of a trace, a message, a run or a prediction.", show_default=False)
    ],
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Draw what happened as a tree: every message, job and request of one trace.

    Example: everloop trace 4bf92f3577b34da6a3ce929d0e0e4736
    """
    from dataclasses import asdict

    from everloop.traces.drawing import draw
    from everloop.traces.tree import grow, spans_by_service

    found = _trace(identity, home)
    services = spans_by_service(found.spans)
    if as_json:
        show_json(
            {
                "trace_id": found.trace_id,
                "spans_by_service": services,
                "spans": [asdict(span) for span in found.spans],
                "followers": [asdict(span) for span in found.followers],
            }
        )
        return
    counts = ", ".join(f"{service} {count}" for service, count in services.items())
    title = f"[bold]trace {found.trace_id}[/bold]  [dim]{len(found.spans)} spans: {counts}[/dim]"
    console().print(draw(grow(found.spans, found.followers), title))


def why_tree(answer: "Why") -> "Tree":
    """Draw the explanation of a prediction."""
    from rich.markup import escape
    from rich.tree import Tree

    asked = answer.prediction
    tree = Tree(f"[bold]prediction {asked.prediction_id}[/bold]", guide_style="dim")
    told = tree.add(f"answered [bold]{asked.score:.4f}[/bold] at {when(asked.served_at)}")
    told.add("asked with " + escape("  ".join(f"{name}={number(value)}" for name, value in asked.inputs.items())))
    if asked.label:
        told.add(
            f"turned out to be [bold]{number(asked.label['value'])}[/bold], known {when(asked.label['observed_at'])}"
        )
    if asked.trace_id:
        told.add(f"[dim]everloop trace {asked.trace_id}[/dim]")
    model = tree.add(f"by [bold]{answer.model['name']} version {answer.model['version']}[/bold]")
    if "model_digest" in answer.model:
        model.add(f"model   {answer.model['model_digest']}")
    model.add(f"bundle  {answer.model['bundle_digest']}  [dim]{answer.model['bundle_uri']}[/dim]")
    model.add(f"metrics {metrics(answer.model['metrics'])}")
    if answer.code:
        _run_branch(tree, answer)
    else:
        tree.add(
            f"logged by MLflow run {answer.run['run_id'] or 'unknown'}  [dim]{escape(answer.model['source'])}[/dim]"
        )
    promotion = answer.promotion
    promoted = tree.add(
        f"promoted by [bold]{escape(promotion.get('by', 'unknown'))}[/bold] {when(promotion.get('at')) or ''}".rstrip()
    )
    if promotion.get("reason"):
        promoted.add(escape(promotion["reason"]))
    for verdict in answer.gates:
        mark = "[green]passed[/green]" if verdict["passed"] else "[red]failed[/red]"
        promoted.add(f"gate {gate_name(verdict)} {mark}: {escape(verdict['explanation'])}")
    for name, reason in answer.missing.items():
        tree.add(f"[yellow]{name} is not known: {escape(reason)}[/yellow]")
    return tree


def _run_branch(tree: "Tree", answer: "Why") -> None:
    from rich.markup import escape

    run = tree.add(f"trained by run [bold]{answer.run['run_id']}[/bold]")
    if cause := answer.run.get("cause"):
        run.add(f"because of {cause['kind']}" + (f": {escape(cause['reason'])}" if cause.get("reason") else ""))
    parameters: dict[str, Any] = answer.run["parameters"]
    run.add(
        "with seed " + "  ".join([str(answer.run["seed"]), *(f"{key}={value}" for key, value in parameters.items())])
    )
    data = run.add(f"on dataset version {answer.data['version']}  {answer.data['digest']}")
    if "raw_digest" in answer.data:
        data.add(f"newest file  {answer.data['raw_digest']}  [dim]{answer.data['raw_uri']}[/dim]")
    run.add(f"by code      {answer.code['digest']}  {commit_of(answer.code)}".rstrip())
    run.add(f"in environment {answer.environment['digest']}")


def _trace(identity: str, home: options.Home) -> "Trace":
    from everloop.platform.home import find_home
    from everloop.traces.finding import NoTraceError, find_trace_id, read_trace

    file = find_home(home).spans
    try:
        trace_id = find_trace_id(file, identity) or _trace_of_prediction(identity, home)
        return read_trace(file, trace_id)
    except NoTraceError as error:
        raise CommandError(str(error)) from error


def _trace_of_prediction(identity: str, home: options.Home) -> str:
    from everloop.client import RefusedError
    from everloop.traces.finding import trace_of

    async def work(platform: "Platform") -> Any:
        return await platform.get("monitoring", f"/v1/predictions/{identity}")

    try:
        trace_id = trace_of(with_platform(home, work)["traceparent"])
    except RefusedError as error:
        raise CommandError(f"no trace, message, run or prediction is known as {identity}") from error
    if trace_id is None:
        raise CommandError(f"prediction {identity} came without a trace context, so none was kept")
    return trace_id
