"""What moved a score is told shortly, the strongest first."""

import pytest

from everloop.cli.explanations import as_document, show_explanation
from everloop.client.inference import Explanation, Predictions, read_answer

ANSWER = {
    "model_name": "flights",
    "model_version": "3",
    "outputs": [
        {"name": "score", "data": [0.5, 0.25]},
        {"name": "prediction_id", "data": ["p-0", "p-1"]},
        {
            "name": "attributions",
            "shape": [2, 3],
            "data": [0.5, -1.0, 0.25, 0.0, 0.0, 0.0],
            "parameters": {"features": "hour,carrier,wind", "base_value": -1.5, "unit": "log_odds", "method": "m"},
        },
    ],
}


def test_an_explained_answer_is_read_by_row() -> None:
    answer = read_answer(ANSWER)

    assert answer.explanation == Explanation(
        "m",
        "log_odds",
        -1.5,
        [{"hour": 0.5, "carrier": -1.0, "wind": 0.25}, {"hour": 0.0, "carrier": 0.0, "wind": 0.0}],
    )


def test_a_program_gets_attributions_beside_each_score() -> None:
    document = as_document(read_answer(ANSWER))

    assert document["predictions"][0] == {
        "prediction_id": "p-0",
        "score": 0.5,
        "attributions": {"hour": 0.5, "carrier": -1.0, "wind": 0.25},
    }
    assert document["explanation"] == {"method": "m", "unit": "log_odds", "base_value": -1.5}
    plain = Predictions("flights", 3, [0.5], ["p-0"])
    assert as_document(plain) == {
        "model": "flights",
        "version": 3,
        "predictions": [{"prediction_id": "p-0", "score": 0.5}],
    }


def test_people_see_the_strongest_first_with_what_they_sent(capsys: pytest.CaptureFixture[str]) -> None:
    show_explanation(read_answer(ANSWER), [{"hour": 7, "carrier": "UA"}, {"hour": 8, "carrier": "DL"}])

    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == "What moved p-0: from -1.500 to -1.750, in log-odds"
    assert [line.split()[:3] for line in lines[3:6]] == [
        ["carrier", "UA", "-1.000"],
        ["hour", "7", "+0.500"],
        ["wind", "–", "+0.250"],
    ]
    assert "████████████│" in lines[3]
    assert "│██████" in lines[4]


def test_many_columns_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    many = {f"c{place}": 1.0 / (place + 1) for place in range(20)}
    answer = Predictions("m", 1, [0.5], ["p-0"], Explanation("m", "score", 0.0, [many]))

    show_explanation(answer, [{}])

    assert "12 others" in capsys.readouterr().out
