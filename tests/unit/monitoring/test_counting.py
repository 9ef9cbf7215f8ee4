from bisect import bisect_right

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.profile import CategoryCells, FeatureReference, NumericCells, Reference
from services.monitoring.counting import Baseline
from tests.fakes.monitoring import examples

EDGES = (-1.0, 0.0, 2.5)
VALUES, OTHERS = ("red", "green"), ("blue",)
EMPTY = examples.reference(blocks=2, rows=1)
BASELINE = Baseline(
    Reference(
        block_starts=EMPTY.block_starts,
        block_seconds=3600,
        inputs=(
            FeatureReference(name="size", cells=NumericCells(edges=EDGES), block_counts=((0,) * 5,)),
            FeatureReference(name="colour", cells=CategoryCells(values=VALUES, others=OTHERS), block_counts=()),
        ),
        score_block_starts=EMPTY.score_block_starts,
        score=FeatureReference(name="score", cells=NumericCells(edges=(0.5,)), block_counts=()),
        quality={},
    )
)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32) | st.sampled_from(EDGES)
colours = st.none() | st.sampled_from((*VALUES, *OTHERS, "plaid"))
rows = st.lists(st.tuples(numbers, colours, st.floats(0, 1), st.integers(0, 2)), min_size=1)


def count(rows: list[tuple[float | None, str | None, float, int]]) -> np.ndarray:
    sizes, tones, scores, groups = zip(*rows, strict=True)
    return BASELINE.count({"size": sizes, "colour": tones}, scores, np.array(groups), 3)


@given(rows)
def test_every_row_falls_in_the_cell_its_contract_says(rows: list[tuple[float | None, str | None, float, int]]) -> None:
    expected = np.zeros((3, BASELINE.width), int)
    for size, colour, score, group in rows:
        expected[group, 4 if size is None else bisect_right(EDGES, size)] += 1
        cell = 4 if colour is None else {"red": 0, "green": 1, "blue": 2}.get(colour, 3)
        expected[group, 5 + cell] += 1
        expected[group, 10 + bisect_right((0.5,), score)] += 1

    assert (count(rows) == expected).all()


@given(rows, st.data())
def test_counts_of_parts_add_up_to_the_whole(
    rows: list[tuple[float | None, str | None, float, int]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(1, max(len(rows) - 1, 1)))
    parts = [part for part in (order[:cut], order[cut:]) if part]

    assert (sum(count(part) for part in parts) == count(rows)).all()


def test_an_input_nobody_sent_is_missing_in_every_row() -> None:
    counts = BASELINE.count({"colour": ("red", "red")}, (0.1, 0.9), np.zeros(2, int), 1)

    assert counts[0, :5].tolist() == [0, 0, 0, 0, 2]


def test_text_where_a_number_should_be_is_missing_and_numbers_as_text_are_read() -> None:
    counts = BASELINE.count({"size": ("3", "tall", 1, True)}, (0.1,) * 4, np.zeros(4, int), 1)

    assert counts[0, :5].tolist() == [0, 0, 2, 1, 1]


def test_truth_values_are_categories_as_arrow_writes_them() -> None:
    cells = CategoryCells(values=("false", "true"))
    flags = Baseline(
        BASELINE.reference.model_copy(update={"inputs": (FeatureReference(name="flag", cells=cells, block_counts=()),)})
    )

    counts = flags.count({"flag": (True, True, False, None)}, (0.1,) * 4, np.zeros(4, int), 1)

    assert counts[0, :5].tolist() == [1, 2, 0, 0, 1]
