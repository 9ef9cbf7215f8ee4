"""What is told of an earlier time."""

from datetime import timedelta

from services.registry.domain import Alias, AliasChange, Decision, VersionState
from services.registry.past.asof import VersionLife, as_of
from tests.contracts.examples import NOON

HOUR = timedelta(hours=1)
WAIVED = Decision("ada", "a trial", NOON + HOUR)
CROWNED = Decision("bob (mlflow)", "asked for", NOON + 2 * HOUR)


def test_a_waiver_shows_until_the_version_is_champion() -> None:
    life = VersionLife(1, NOON, VersionState.LOGGED, VersionState.PROMOTED, CROWNED, waived=WAIVED)
    history = [AliasChange(Alias.CHAMPION, 1, CROWNED)]

    seen = [as_of([life], history, NOON + hours * HOUR).versions[0] for hours in range(3)]

    assert [(one.state, one.decision) for one in seen] == [
        (VersionState.LOGGED, None),
        (VersionState.WAIVED, WAIVED),
        (VersionState.PROMOTED, CROWNED),
    ]
