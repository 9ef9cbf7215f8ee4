"""Which versions have their files where, in SQLite and in PostgreSQL."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest
from sqlmodel import SQLModel

from services.registry.artifacts.domain import Holder
from services.registry.artifacts.holders import SqlHolders
from services.registry.domain import VersionState
from services.registry.rows import ModelRow, Row, VersionRow
from tests.contracts.examples import NOON
from tests.fixtures.databases import Transactions

RUN, MODEL = "a" * 32, f"m-{'b' * 32}"
PROXIED, BY_RUN, LOGGED = Holder("Trees", 1, False), Holder("Trees", 2, True), Holder("Trees", 3, False)


def version(number: int, location: str, state: VersionState, *, deleted_at: datetime | None = None) -> VersionRow:
    """Make a version whose files are somewhere."""
    return VersionRow(
        pipeline="trees_1",
        number=number,
        source=location,
        location=location,
        registered_at=NOON,
        updated_at=NOON,
        deleted_at=deleted_at,
        state=state,
    )


@pytest.fixture
async def opened(sessions: Callable[[type[SQLModel]], Awaitable[Transactions]]) -> Transactions:
    """Opens sessions on four versions, one of them deleted."""
    opened = await sessions(Row)
    async with opened() as session:
        session.add(ModelRow(pipeline="trees_1", name="Trees", definition={}, registered_at=NOON, updated_at=NOON))
        await session.flush()
        session.add(version(1, f"mlflow-artifacts:/0/{RUN}/artifacts/a_model/", VersionState.LOGGED))
        session.add(version(2, f"runs:/{RUN}/other", VersionState.WAIVED))
        session.add(version(3, f"mlflow-artifacts:/0/models/{MODEL}/artifacts", VersionState.LOGGED))
        session.add(version(4, f"mlflow-artifacts:/0/{RUN}/artifacts/gone", VersionState.LOGGED, deleted_at=NOON))
    return opened


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"0/{RUN}/artifacts/a_model", [PROXIED]),
        (f"0/{RUN}/artifacts/a_model/data/weights.bin", [PROXIED]),
        (f"0/{RUN}/artifacts/other/MLmodel", [BY_RUN]),
        (f"0/models/{MODEL}/artifacts/MLmodel", [LOGGED]),
        (f"0/{RUN}/artifacts/a_model_of_mine/MLmodel", []),
        (f"0/{RUN}/artifacts/gone/MLmodel", []),
        (f"0/{RUN}/artifacts", []),
        ("0", []),
    ],
)
async def test_versions_above_a_path(opened: Transactions, path: str, expected: list[Holder]) -> None:
    async with opened() as session:
        assert await SqlHolders(session).above(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"0/{RUN}/artifacts", [PROXIED, BY_RUN]),
        (f"0/{RUN}", [PROXIED, BY_RUN]),
        ("0/models", [LOGGED]),
        (f"0/{RUN}/artifacts/aXmodel", []),
        (f"0/{RUN}/artifacts/a_mod", []),
        ("1", []),
    ],
)
async def test_versions_below_a_path(opened: Transactions, path: str, expected: list[Holder]) -> None:
    async with opened() as session:
        found = await SqlHolders(session).below(path)
    assert sorted(found, key=lambda holder: holder.number) == expected
