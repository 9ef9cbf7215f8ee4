"""What cannot be asked of a thing is refused, and the refusal says what can."""

import pytest

from services.registry.search.language import SearchError
from services.registry.search.models import MODELS, VERSIONS
from services.registry.search.searchable import MAX_SORTS, Searchable
from services.registry.search.text import MAX_PATTERN
from services.registry.search.tracking import EXPERIMENTS, RUNS


@pytest.mark.parametrize(
    ("searchable", "filter_", "said"),
    [
        (RUNS, "colour = 'red'", "Invalid attribute key 'colour' specified. Valid keys are ['run_id', 'run_name'"),
        (RUNS, "metrics.loss > '1'", "Expected numeric value type for metric 'loss'. Found '1'"),
        (RUNS, "start_time > '1'", "Expected numeric value type for attribute 'start_time'. Found '1'"),
        (RUNS, "metrics.loss LIKE '1%'", "Invalid comparator 'LIKE' not one of ['=', '!=', '<', '<=', '>', '>=']"),
        (RUNS, "tags.x = 5", "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5"),
        (RUNS, "params.x > 'a'", "Invalid comparator '>' not one of"),
        (RUNS, "params.x IN ('a')", "Only ['run_id'] attributes support comparison with a list"),
        (RUNS, "run_name IN ('a')", "Only ['run_id'] attributes support comparison with a list"),
        (RUNS, "metrics.loss IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric'"),
        (RUNS, "dataset.colour = 'red'", "Invalid dataset key 'colour' specified. Valid keys are"),
        (RUNS, f"run_name LIKE '{'%' * (MAX_PATTERN + 1)}'", "Invalid pattern: longer than"),
        (EXPERIMENTS, "metrics.loss > 1", "Invalid entity type 'metric'. Valid entity types are ['attribute', 'tag']"),
        (EXPERIMENTS, "experiment_id LIKE '1%'", "Invalid comparator 'LIKE'"),
        (MODELS, "params.x = 'a'", "Invalid entity type 'parameter'"),
        (MODELS, "tags.x IS NULL", "IS NULL / IS NOT NULL is only supported"),
        (
            MODELS,
            "creation_timestamp > 5",
            "Invalid attribute key 'creation_timestamp' specified. Valid keys are ['name']",
        ),
        (VERSIONS, "version_number = 'one'", "Expected numeric value type"),
        (VERSIONS, "source_path IN ('a')", "Only ['name', 'run_id'] attributes support comparison with a list"),
    ],
)
def test_a_filter_that_cannot_be_asked_is_refused(searchable: Searchable, filter_: str, said: str) -> None:
    with pytest.raises(SearchError) as refused:
        searchable.where(searchable.conditions(filter_))

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("searchable", "clauses", "said"),
    [
        (RUNS, ["colour"], "Invalid attribute key 'colour'"),
        (RUNS, ["dataset.name"], "Invalid order_by"),
        (RUNS, ["metrics.loss", "metrics.`loss` DESC"], "`order_by` contains duplicate fields"),
        (RUNS, ["start_time", "Created"], "`order_by` contains duplicate fields"),
        (RUNS, [f"metrics.m{number}" for number in range(MAX_SORTS + 1)], "more than 20 clauses"),
        (EXPERIMENTS, ["metrics.loss"], "Invalid entity type 'metric'"),
        (MODELS, ["timestamp", "last_updated_timestamp"], "`order_by` contains duplicate fields"),
    ],
)
def test_an_order_that_cannot_be_asked_is_refused(searchable: Searchable, clauses: list[str], said: str) -> None:
    with pytest.raises(SearchError) as refused:
        searchable.sorts(clauses)

    assert said in str(refused.value)
