import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.pipeline import ColumnType
from contracts.profile import DatasetProfile
from services.ingestion.casting import ARROW_TYPES
from services.ingestion.profile import profile_column, profile_rows
from tests.fakes.ingestion import examples


def test_profile_tells_types_missing_quantiles_top_values_and_span() -> None:
    rows = examples.rows(21, weight_kg=pa.array([None, *map(float, range(20))]))

    profile = profile_rows(rows, examples.contract())

    weight, carrier = profile.columns[2], profile.columns[3]
    assert (profile.rows, profile.first_event) == (21, examples.START)
    assert (weight.missing, weight.distinct, weight.minimum, weight.maximum, weight.mean) == (1, 20, 0.0, 19.0, 9.5)
    assert weight.quantiles["0.5"] == 9.5
    assert sum(weight.histogram_counts) == 20
    assert len(weight.histogram_edges) == len(weight.histogram_counts) + 1
    assert carrier.top == (("air", 7), ("road", 7), ("sea", 7))


def test_times_are_summarised_as_seconds() -> None:
    profile = profile_rows(examples.rows(3), examples.contract())

    assert profile.columns[1].minimum == pytest.approx(examples.START.timestamp())


@pytest.mark.parametrize("type_", ColumnType)
def test_column_without_values_has_a_profile(type_: ColumnType) -> None:
    profile = profile_column(pa.chunked_array([pa.nulls(3, ARROW_TYPES[type_])]), "x", type_)

    assert (profile.rows, profile.missing, profile.distinct) == (3, 3, 0)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_any_finite_numbers_have_a_profile_that_can_be_sent(values: list[float | None]) -> None:
    rows = examples.rows(len(values), weight_kg=pa.array(values, pa.float64()))

    profile = profile_rows(rows, examples.contract())

    assert DatasetProfile.model_validate_json(profile.model_dump_json()) == profile
