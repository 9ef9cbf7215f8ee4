"""What was seen counts once, whichever replica saw it, however often it says so and whenever it died."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from contracts.rollout import Guard
from services.serving.evidence import Evidence
from services.serving.traffic import Arms, Traffic
from tests.fakes.serving.examples import NOW

GUARD = Guard(slow_s=0.1)
NOTHING_YET = Arms()

traffic = st.builds(
    lambda requests, errors: Traffic(requests, min(requests, errors)), st.integers(0, 20), st.integers(0, 20)
)
reports = st.tuples(st.sampled_from("ab"), st.builds(Arms, traffic, traffic), st.booleans())


@given(st.lists(reports, max_size=20))
def test_every_request_counts_once(heard: list[tuple[str, Arms, bool]]) -> None:
    evidence, truth, lives = Evidence().begin(0, NOW, GUARD), dict[str, Arms](), {"a": 0, "b": 0}
    for replica, more, dies in heard:
        name = f"{replica}-{lives[replica]}"
        before = truth.get(name, NOTHING_YET)
        truth[name] = before + more
        # A report may come twice, and one that it has overtaken after it.
        for report in (truth[name], truth[name], before):
            evidence = evidence.hear({name: report}, GUARD)
        lives[replica] += dies

    entered = evidence.present.entered
    assert evidence.total == added(list(truth.values()))
    assert (evidence.ledger.candidate, evidence.ledger.champion) == (entered.candidate, entered.champion)


@given(st.lists(st.builds(Arms, traffic, traffic), min_size=1, max_size=8))
def test_looking_more_often_loses_nothing(blocks: Sequence[Arms]) -> None:
    often, seen = Evidence().begin(0, NOW, GUARD), NOTHING_YET
    for block in blocks:
        seen += block
        often = often.hear({"a": seen}, GUARD)
    once = Evidence().begin(0, NOW, GUARD).hear({"a": seen}, GUARD)

    assert often.total == once.total


def test_what_was_seen_in_one_step_is_not_seen_again_in_the_next() -> None:
    seen = Arms(Traffic(10, 1), Traffic(90, 1))
    first = Evidence().begin(0, NOW, GUARD).hear({"a": seen}, GUARD)

    second = first.begin(1, NOW, GUARD).hear({"a": Arms(Traffic(5), Traffic(5))}, GUARD)

    assert (second.total.candidate.requests, second.present.total.candidate.requests) == (15, 5)
    assert second.ledger.candidate == Traffic(15, 1)


def test_candidate_nobody_asks_is_not_judged() -> None:
    quiet = Evidence().begin(0, NOW, GUARD).hear({"a": Arms(champion=Traffic(500, 3))}, GUARD)

    assert quiet.verdicts(GUARD) == ()
    assert quiet.ledger == Evidence().ledger


def added(seen: Sequence[Arms]) -> Arms:
    return sum(seen, NOTHING_YET)
