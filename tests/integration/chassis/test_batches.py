"""Messages stored together: whatever becomes of a batch, no message is lost and none is there twice."""

from collections.abc import Sequence

import pytest

from services.chassis.batches import Publication, publish_together
from services.chassis.bus import MESSAGE_ID, BusRefusalError
from tests.fixtures.services import World

SUBJECT = "events.training.run.started.v1.flights"
MESSAGES = [Publication(SUBJECT, f"{number}".encode(), {MESSAGE_ID: f"message {number}"}) for number in range(4)]


async def begin(world: World, publications: Sequence[Publication], *, without: int | None = None) -> None:
    """Begin a batch, as a process that dies before its last message."""
    for place, each in enumerate(publications, start=1):
        if place != without:
            of_batch = {"Nats-Batch-Id": "abandoned", "Nats-Batch-Sequence": str(place)}
            await world.bus.send(each.subject, each.body, headers={**each.headers, **of_batch})


async def stored(world: World) -> list[bytes]:
    """Read what the stream keeps, oldest first."""
    last = (await world.bus.ask("STREAM.INFO.EVENTS"))["state"]["last_seq"]
    return [(await world.bus.read("EVENTS", seq=sequence)).body for sequence in range(1, last + 1)]


async def test_a_batch_is_stored_in_order(sqlite_world: World) -> None:
    await publish_together(sqlite_world.bus, MESSAGES)

    assert await stored(sqlite_world) == [b"0", b"1", b"2", b"3"]


async def test_what_was_in_an_abandoned_batch_is_stored_when_it_is_said_again(sqlite_world: World) -> None:
    await begin(sqlite_world, MESSAGES[:3])

    await publish_together(sqlite_world.bus, MESSAGES)

    assert await stored(sqlite_world) == [b"0", b"1", b"2", b"3"]


async def test_what_was_in_an_abandoned_batch_is_stored_one_by_one(sqlite_world: World) -> None:
    await begin(sqlite_world, MESSAGES[:3])

    for each in MESSAGES:
        receipt = await sqlite_world.bus.publish(each.subject, each.body, headers=each.headers)
        assert not receipt.duplicate

    assert await stored(sqlite_world) == [b"0", b"1", b"2", b"3"]


async def test_a_batch_whose_answer_was_lost_is_recognised(sqlite_world: World) -> None:
    await publish_together(sqlite_world.bus, MESSAGES)

    with pytest.raises(BusRefusalError):
        await publish_together(sqlite_world.bus, MESSAGES)
    for each in MESSAGES:
        assert (await sqlite_world.bus.publish(each.subject, each.body, headers=each.headers)).duplicate

    assert await stored(sqlite_world) == [b"0", b"1", b"2", b"3"]


async def test_a_refused_batch_leaves_no_trace(sqlite_world: World) -> None:
    await sqlite_world.bus.publish(SUBJECT, b"2", headers=MESSAGES[2].headers)

    with pytest.raises(BusRefusalError):
        await publish_together(sqlite_world.bus, MESSAGES)
    found = [
        (await sqlite_world.bus.publish(each.subject, each.body, headers=each.headers)).duplicate for each in MESSAGES
    ]

    assert found == [False, False, True, False]
    assert await stored(sqlite_world) == [b"2", b"0", b"1", b"3"]


async def test_a_batch_with_a_gap_is_refused_whole(sqlite_world: World) -> None:
    await begin(sqlite_world, MESSAGES[:3], without=2)
    last = {"Nats-Batch-Id": "abandoned", "Nats-Batch-Sequence": "4", "Nats-Batch-Commit": "1"}
    answer = await sqlite_world.bus.request(SUBJECT, b"3", headers={**MESSAGES[3].headers, **last}, timeout_s=5)

    assert b'"error"' in answer.body
    assert await stored(sqlite_world) == []
    await publish_together(sqlite_world.bus, MESSAGES)
    assert await stored(sqlite_world) == [b"0", b"1", b"2", b"3"]
