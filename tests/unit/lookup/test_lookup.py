"""The lookup file: every key is found, none is invented, the row that happened last wins."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from contracts.pipeline import ColumnType
from everloop.lookup import KeyColumn, Lookup, LookupWriter, ScoredRow, UnfitKeyError, key_text

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAME = KeyColumn(name="name", type=ColumnType.STRING)

values = some.text(max_size=12) | some.integers() | some.booleans()
rows = some.lists(some.tuples(some.text(max_size=6), some.floats(allow_nan=False), some.integers(0, 50)), max_size=60)


def scored(number: int, score: float, hour: int | None = 0) -> ScoredRow:
    event_time = None if hour is None else NOON + timedelta(hours=hour, microseconds=7)
    return ScoredRow(number, score, event_time, NOON + timedelta(microseconds=number))


def us(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


@contextmanager
def written(
    batches: Sequence[Sequence[tuple[str | None, ScoredRow]]], key: tuple[KeyColumn, ...] = (NAME,)
) -> Iterator[Lookup]:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "lookup #1?.sqlite"
        writer = LookupWriter(path)
        for batch in batches:
            writer.add((key, row.score, us(row.event_time), us(row.computed_at) or 0, row.number) for key, row in batch)
        writer.finish(
            precomputation_id=UUID(int=1), pipeline="tiny", version=2, dataset_version=5, key=key, computed_at=NOON
        )
        writer.close()
        assert [one.name for one in path.parent.iterdir()] == [path.name]
        with closing(Lookup.open(path)) as lookup:
            yield lookup


@settings(max_examples=60, deadline=None)
@given(rows, some.lists(some.text(max_size=6)), some.integers(1, 20))
def test_every_key_is_found_with_its_last_row_and_no_other(
    came: list[tuple[str, float, int]], strangers: list[str], batch: int
) -> None:
    given_ = [(key, scored(number, score, hour)) for number, (key, score, hour) in enumerate(came)]
    expected: dict[str, ScoredRow] = {}
    for key, row in given_:
        before = expected.get(key)
        if before is None or (row.event_time, row.number) > (before.event_time, before.number):
            expected[key] = row

    with written([given_[start : start + batch] for start in range(0, len(given_), batch)]) as lookup:
        assert {key: lookup.get(lookup.key_of(key)) for key in expected} == expected
        assert all(lookup.get(stranger) is None for stranger in set(strangers) - set(expected))
        assert lookup.about.keys == len(expected)
        assert lookup.about.duplicates == len(came) - len(expected)


@given(some.lists(values, min_size=2, max_size=3), some.lists(values, min_size=2, max_size=3))
def test_two_keys_have_one_text_only_if_their_values_read_the_same(one: list[object], other: list[object]) -> None:
    texts = [[key_text([value]) for value in key] for key in (one, other)]

    assert (key_text(one) == key_text(other)) == (texts[0] == texts[1])


def test_a_row_whose_key_is_partly_null_is_counted_and_not_found() -> None:
    with written([[(key_text(["a", None]), scored(0, 0.5)), (key_text(["a", "b"]), scored(1, 0.25))]]) as lookup:
        assert lookup.about.without_key == 1
        assert lookup.about.keys == 1


def test_a_key_is_asked_for_as_json_has_it() -> None:
    columns = tuple(
        KeyColumn(name=name, type=ColumnType(name)) for name in ("string", "integer", "boolean", "timestamp")
    )
    text = key_text(["UA", 7, True, NOON])

    with written([[(text, scored(0, 0.5))]], columns) as lookup:
        assert lookup.key_of(["UA", 7, True, "2026-03-01T13:00:00+01:00"]) == text
        assert lookup.key_of(["UA", "7", True, "2026-03-01T12:00:00"]) == text
        assert lookup.get(str(text)) is not None


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "noon", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_none_is_refused(moment: str) -> None:
    column = KeyColumn(name="at", type=ColumnType.TIMESTAMP)

    with written([], (column,)) as lookup, pytest.raises(UnfitKeyError, match="key column at is timestamp"):
        lookup.key_of(moment)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (7, "key column name is string: int found"),
        (None, "key column name is string: NoneType found"),
        (["a", "b"], "a key is name, not 2 values"),
        ({"name": "a"}, "key column name is string: dict found"),
    ],
)
def test_what_no_key_looks_like_is_refused(asked: object, why: str) -> None:
    with written([]) as lookup, pytest.raises(UnfitKeyError, match=why):
        lookup.key_of(asked)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lookup.sqlite").write_bytes(b"parquet" * 1000)

    with pytest.raises(ValueError, match="is no lookup file"):
        Lookup.open(tmp_path / "lookup.sqlite")
