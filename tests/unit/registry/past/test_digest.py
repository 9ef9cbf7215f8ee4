"""The digest of a state: of what rows say, whatever order they come in and whoever wrote them."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from services.registry.past.domain import StateDigest, digest_of_row, part_of

ROWS = [{"name": name, "rows": number} for number, name in enumerate("abc")]
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


def of(*rows: dict[str, object]) -> str:
    return part_of("models", map(digest_of_row, rows)).digest


def test_order_does_not_matter_but_every_row_does() -> None:
    assert of(*ROWS) == of(*reversed(ROWS))
    assert len({of(*ROWS), of(*ROWS[:2]), of(*ROWS, ROWS[0]), of()}) == 4


def test_what_is_said_matters_not_how_it_is_written() -> None:
    one = {"at": NOON, "id": UUID(int=7), "value": 0.1, "document": {"b": 1, "a": [None, True]}}
    other = {"document": {"a": [None, True], "b": 1}, "value": 0.1, "id": UUID(int=7)}
    other["at"] = NOON.astimezone(timezone(timedelta(hours=2)))

    assert of(one) == of(other)
    assert of(one) != of({**other, "value": 0.2})


def test_digest_names_what_differs() -> None:
    models, versions = part_of("models", map(digest_of_row, ROWS)), part_of("versions", [])
    before, after = StateDigest.of([models, versions]), StateDigest.of([versions, part_of("models", [])])

    assert StateDigest.of([versions, models]) == before
    assert after.digest != before.digest
    assert before.differing(after) == ["models"]
    assert before.differing(before) == []
