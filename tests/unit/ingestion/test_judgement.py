import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.judgement import Accepted, Refused, judge
from services.ingestion.quarantine import readable
from tests.fakes.ingestion import examples

FILES = {"a.csv": examples.csv(), "a.csv.gz": examples.csv_gz(), "a.parquet": examples.parquet()}


def judged(data: bytes, uri: str) -> Accepted | Refused:
    return judge(data, uri, examples.contract(), now=examples.NOW, max_expanded_bytes=1 << 20)


def test_same_bytes_get_the_same_verdict() -> None:
    for uri, data in FILES.items():
        first, second = judged(data, uri), judged(data, uri)

        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        assert first.rows.equals(second.rows)
        assert first.profile == second.profile


@given(st.data(), st.sampled_from(sorted(FILES)))
def test_a_damaged_file_is_judged_and_never_breaks_the_judge(data: st.DataObject, uri: str) -> None:
    damaged = bytearray(FILES[uri])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))

    judgement = judged(bytes(damaged), uri)

    assert isinstance(judgement, Accepted) or judgement.violations


@given(st.binary(), st.sampled_from(sorted(FILES)))
def test_any_bytes_are_judged(data: bytes, uri: str) -> None:
    assert isinstance(judged(data, uri), Refused)


def test_time_beyond_the_calendar_offends_and_can_still_be_read() -> None:
    beyond = pa.array([2**62, 0], pa.timestamp("us"))

    judgement = judged(examples.parquet(examples.rows(2, sent_at=beyond)), "a.parquet")

    assert isinstance(judgement, Refused)
    assert judgement.violations[0].detail == "expected timestamp, found a time beyond the years 1 to 9999"
    assert judgement.offending is not None
    assert len(readable(judgement.offending)) == 1
