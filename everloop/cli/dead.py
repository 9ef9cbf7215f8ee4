"""`everloop dead`: messages that were given up."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import pairs, say, show_json, table, when

if TYPE_CHECKING:
    from services.chassis.bus import Bus
    from services.chassis.dead_letters import DeadLetter

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Look at messages that were given up; replay or drop them.")
Number = Annotated[int, typer.Argument(help="Number of the letter, as `dead list` shows it.", min=1)]
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of letters, as `dead list` shows them.")]
Every = Annotated[bool, typer.Option("--all", help="All of them.")]


@app.command("list")
def list_letters(home: options.Home = None, as_json: options.Json = False) -> None:
    """List dead letters with the reason each was given up for.

    Example: everloop dead list
    """
    letters = _with_bus(home, _all)
    if as_json:
        show_json([_plain(letter) for letter in letters])
        return
    table(
        ("No.", "Given up", "By", "Subject", "Reason", "Detail"),
        ((one.sequence, when(one.died_at), one.service, one.subject, one.reason, one.detail[:80]) for one in letters),
        empty="No dead letters.",
    )


@app.command()
def show(number: Number, home: options.Home = None, as_json: options.Json = False) -> None:
    """Show one dead letter: its body, its reason and the stack.

    Example: everloop dead show 3
    """
    letter = _with_bus(home, lambda bus: _one(bus, number))
    if as_json:
        show_json(_plain(letter))
        return
    pairs(
        {
            "subject": letter.subject,
            "message id": letter.message_id,
            "given up": f"{when(letter.died_at)} by {letter.consumer}, after {letter.deliveries} deliveries",
            "reason": letter.reason,
            "detail": letter.detail,
        }
    )
    typer.echo(letter.body.decode(errors="replace"))
    if letter.stack:
        typer.echo(letter.stack)


@app.command()
def replay(
    numbers: Numbers = None, every: Every = False, home: options.Home = None, as_json: options.Json = False
) -> None:
    """Publish dead letters on their subjects once more; what handled them already skips them.

    Example: everloop dead replay 3 4
    """
    from services.chassis.dead_letters import replay as publish_again

    async def work(bus: "Bus") -> list[int]:
        letters = await _chosen(bus, numbers, every=every)
        for letter in letters:
            await publish_again(bus, letter)
        return [letter.sequence for letter in letters]

    _tell("Replayed", _with_bus(home, work), as_json=as_json)


@app.command()
def drop(
    numbers: Numbers = None, every: Every = False, home: options.Home = None, as_json: options.Json = False
) -> None:
    """Remove dead letters for good.

    Example: everloop dead drop 3
    """
    from services.chassis.dead_letters import drop as remove

    async def work(bus: "Bus") -> list[int]:
        letters = await _chosen(bus, numbers, every=every)
        for letter in letters:
            await remove(bus, letter)
        return [letter.sequence for letter in letters]

    _tell("Dropped", _with_bus(home, work), as_json=as_json)


def _with_bus(home: Path | None, work: "Callable[[Bus], Awaitable[T]]") -> T:
    from everloop.client import find_endpoints
    from services.chassis.bus import BusRefusalError, BusUnavailableError, connect
    from services.chassis.errors import MalformedError

    async def go() -> T:
        async with connect(find_endpoints(home).nats, name="cli", patience_s=5) as bus:
            return await work(bus)

    try:
        return asyncio.run(go())
    except BusUnavailableError as error:
        raise CommandError("the broker does not answer", Exit.TRY_AGAIN) from error
    except (BusRefusalError, MalformedError) as error:
        raise CommandError(str(error)) from error


async def _all(bus: "Bus") -> "list[DeadLetter]":
    from services.chassis.dead_letters import dead_letters

    return [letter async for letter in dead_letters(bus)]


async def _one(bus: "Bus", number: int) -> "DeadLetter":
    from services.chassis.bus import NotOnBusError
    from services.chassis.dead_letters import dead_letter

    try:
        return await dead_letter(bus, number)
    except NotOnBusError as error:
        raise CommandError(f"there is no dead letter {number}; see `everloop dead list`") from error


async def _chosen(bus: "Bus", numbers: list[int] | None, *, every: bool) -> "list[DeadLetter]":
    if bool(numbers) == every:
        raise CommandError("name letters by number, or all with --all", Exit.USAGE)
    return await _all(bus) if every else [await _one(bus, number) for number in numbers or ()]


def _tell(done: str, numbers: list[int], *, as_json: bool) -> None:
    if as_json:
        show_json(numbers)
    else:
        say(f"{done} {', '.join(map(str, numbers)) or 'nothing'}.")


def _plain(letter: "DeadLetter") -> dict[str, Any]:
    return {
        "number": letter.sequence,
        "subject": letter.subject,
        "message_id": letter.message_id,
        "service": letter.service,
        "consumer": letter.consumer,
        "reason": letter.reason,
        "detail": letter.detail,
        "deliveries": letter.deliveries,
        "died_at": letter.died_at.isoformat(),
        "body": letter.body.decode(errors="replace"),
        "stack": letter.stack,
    }
