"""Who promoted the version that answered: the last promotion before the answer."""

from everloop.client.why import promotion_before


def _change(alias: str, version: int, at: str, by: str) -> dict[str, object]:
    return {"alias": alias, "version": version, "at": at, "by": by, "reason": ""}


HISTORY = (
    _change("champion", 1, "2026-01-01T00:00:00Z", "policy:auto"),
    _change("champion", 2, "2026-02-01T00:00:00Z", "ana"),
    _change("previous", 1, "2026-02-01T00:00:00Z", "ana"),
    _change("champion", 1, "2026-03-01T00:00:00Z", "bo"),
)


def test_the_promotion_before_the_answer_counts() -> None:
    assert (promotion_before(HISTORY, 1, "2026-01-15T00:00:00Z") or {})["by"] == "policy:auto"
    assert (promotion_before(HISTORY, 1, "2026-03-15T00:00:00Z") or {})["by"] == "bo"
    assert (promotion_before(HISTORY, 2, "2026-02-15T00:00:00Z") or {})["by"] == "ana"


def test_a_version_that_was_never_champion_has_none() -> None:
    assert promotion_before(HISTORY, 3, "2026-03-15T00:00:00Z") is None
