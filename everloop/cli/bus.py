"""`everloop publish` and `everloop events`: the bus by hand."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import say, show_json, show_json_line, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from everloop.client import Heard, Platform

LONGEST_SUMMARY = 110


def publish(
    subject: Annotated[str, typer.Argument(help="Full subject; its last token is the pipeline.", show_default=False)],
    data: Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")] = "{}",
    message_id: Annotated[
        str | None, typer.Option("--id", help="The same id is obeyed once.", show_default="a new one")
    ] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Hold it against its schema first.")] = True,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Publish plain JSON on a subject; whoever hears it gives it an envelope.

    The message is held against its schema first, so that a typo is told here and not found as a dead letter.

    Example: everloop publish commands.training.run.start.v1.flight_delays '{"reason": "new market"}'
    """
    content = _content(data)
    if check:
        _check(subject, content)

    async def work(platform: "Platform") -> None:
        receipt = await platform.bus.publish(subject, json.dumps(content).encode(), message_id=message_id)
        if as_json:
            show_json(
                {
                    "id": receipt.message_id,
                    "stream": receipt.stream,
                    "sequence": receipt.sequence,
                    "duplicate": receipt.duplicate,
                }
            )
        elif receipt.duplicate:
            say(f"Already published under the id {receipt.message_id}; nothing happens twice.")
        else:
            say(f"Published as {receipt.stream} #{receipt.sequence}, id {receipt.message_id}")
            say(f"[dim]everloop trace {receipt.message_id}[/dim]")

    with_platform(home, work)


def events(
    pipeline: Annotated[str | None, typer.Option("--pipeline", "-p", help="Only about this pipeline.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", "-t", help="Only whose type contains this, such as training.run.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events happen, until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", help="How many of the past ones.", min=0)] = 20,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show events: the last ones, and with --follow those to come.

    Example: everloop events --follow --pipeline flight_delays
    """
    if kind and (known := _types(kind)) == ():
        raise typer.BadParameter(f"no event's type contains {kind!r}", param_hint="--type")

    async def work(platform: "Platform") -> None:
        newest = await platform.bus.mark()
        subject = f"events.*.*.*.*.{pipeline}" if pipeline else "events.>"

        def wanted(heard: "Heard") -> bool:
            return not kind or heard.envelope.type in known

        past: list[Heard] = []
        if newest and last:
            async with aclosing(platform.bus.past(subject)) as story:
                async for heard in story:
                    if wanted(heard):
                        past = [*past[-last + 1 :], heard] if last > 1 else [heard]
        for heard in past:
            _show(heard, as_json=as_json)
        if not past and not follow and not as_json:
            say("[dim]Nothing has happened yet.[/dim]")
        if follow:
            async for heard in platform.bus.follow(subject, since=newest):
                if wanted(heard):
                    _show(heard, as_json=as_json)

    with_platform(home, work)


def summary(data: "dict[str, Any]") -> str:
    """Say the plain values of a message in one line."""
    words = []
    for name, value in data.items():
        if name == "pipeline" or isinstance(value, dict | list):
            continue
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        words.append(f"{name}={text[:40]}{'…' if len(text) > 40 else ''}")
    line = " ".join(words)
    return line if len(line) <= LONGEST_SUMMARY else f"{line[:LONGEST_SUMMARY]}…"


def _show(heard: "Heard", *, as_json: bool) -> None:
    if as_json:
        show_json_line({"sequence": heard.sequence, **heard.envelope.model_dump(mode="json", exclude_none=True)})
        return
    from rich.markup import escape

    name = type(heard.message).__name__ if heard.message else heard.envelope.type
    say(
        f"[dim]{when(heard.stored_at)}[/dim]  [bold]{name:<27}[/bold] {heard.envelope.subject or ''}  "
        f"[dim]{escape(summary(heard.envelope.data))}[/dim]"
    )


def _types(part: str) -> tuple[str, ...]:
    from contracts.catalog import BY_TYPE

    return tuple(type_ for type_ in BY_TYPE if part.lower() in type_ or part.lower() in BY_TYPE[type_].__name__.lower())


def _content(data: str) -> dict[str, Any]:
    text = data
    if data == "-":
        text = typer.get_text_stream("stdin").read()
    elif data.startswith("@"):
        text = Path(data[1:]).read_text()
    try:
        content = json.loads(text or "{}")
    except ValueError as error:
        raise typer.BadParameter(f"no JSON: {error}", param_hint="DATA") from error
    if not isinstance(content, dict):
        raise typer.BadParameter(f"a JSON {type(content).__name__}, not an object", param_hint="DATA")
    return content


def _check(subject: str, content: dict[str, Any]) -> None:
    """Read the message the way its service will."""
    from difflib import get_close_matches

    from contracts.catalog import BY_TYPE, decode
    from contracts.envelope import UnreadableMessageError, read_envelope
    from contracts.message import Command, utc_now

    type_ = subject.rpartition(".")[0]
    message = BY_TYPE.get(type_)
    if message is None:
        near = get_close_matches(type_, BY_TYPE, n=3, cutoff=0.5) or get_close_matches(
            subject, BY_TYPE, n=3, cutoff=0.5
        )
        meant = f"; did you mean {' or '.join(f'{one}.<pipeline>' for one in near)}?" if near else ""
        raise CommandError(f"no message has the subject {subject}{meant} (--no-check publishes anyway)", Exit.USAGE)
    if not issubclass(message, Command):
        raise CommandError(
            f"{message.__name__} is a fact that only its owner says (--no-check says it anyway)", Exit.USAGE
        )
    try:
        decode(
            read_envelope(
                json.dumps(content).encode(), subject=subject, headers={}, fallback_id="check", received_at=utc_now()
            )
        )
    except UnreadableMessageError as error:
        fields = ", ".join(name + ("" if field.is_required() else "?") for name, field in message.model_fields.items())
        raise CommandError(
            f"{message.__name__} is wrong: {error.detail}; its fields are {fields} (--no-check publishes anyway)",
            Exit.USAGE,
        ) from error
