"""What is published by hand is held against its schema first, and the person is told what would be right."""

import json
from pathlib import Path

import pytest
import typer

from everloop.cli.bus import _check, _content, summary
from everloop.cli.exits import CommandError, Exit
from everloop.cli.inference import _labels, _rows
from everloop.cli.work import _parameter

START = "commands.training.run.start.v1.flights"


def test_a_right_command_passes() -> None:
    _check(START, {"reason": "new market", "parameters": {"num_leaves": 63}})


@pytest.mark.parametrize(
    ("subject", "content", "said"),
    [
        (START, {"reson": "x"}, "reson: Extra inputs.*its fields are .*reason?"),
        ("commands.training.run.begin.v1.flights", {}, "did you mean .*commands.training.run"),
        (START.replace("v1", "v2"), {}, "did you mean .*start.v1"),
        ("events.training.run.skipped.v1.flights", {}, "only its owner says"),
        (START, {"pipeline": "trains"}, "data say 'trains'"),
        ("nonsense", {}, "no message has the subject"),
    ],
)
def test_a_wrong_one_is_refused_with_what_would_be_right(subject: str, content: dict[str, object], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        _check(subject, content)

    assert refused.value.code is Exit.USAGE


def test_data_come_as_json_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"a": 1}')

    assert _content('{"a": 1}') == _content(f"@{tmp_path / 'data.json'}") == {"a": 1}
    for wrong in ("{", "[1]", "3"):
        with pytest.raises(typer.BadParameter):
            _content(wrong)


def test_rows_come_as_json_or_from_tables(tmp_path: Path) -> None:
    row = {"hour": 6, "carrier": "MQ"}
    (tmp_path / "rows.csv").write_text("hour,carrier\n6,MQ\n")
    (tmp_path / "rows.json").write_text(json.dumps([row]))

    assert _rows(json.dumps(row)) == _rows(f"@{tmp_path}/rows.csv") == _rows(f"@{tmp_path}/rows.json") == [row]
    with pytest.raises(CommandError, match="cannot be read"):
        _rows(f"@{tmp_path}/missing.json")


def test_labels_come_one_by_one_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("prediction_id,label,observed_at\np-0,1,2013-04-01T12:00:00Z\np-1,0,\n")

    first, second = _labels(f"@{file}", None, None)
    (single,) = _labels("p-2", 1.0, None)

    assert (first.prediction_id, first.label, first.observed_at.hour) == ("p-0", 1.0, first.observed_at.hour)
    assert (second.prediction_id, second.label) == ("p-1", 0.0)
    assert single.prediction_id == "p-2"
    with pytest.raises(typer.BadParameter, match="say what happened"):
        list(_labels("p-2", None, None))


def test_parameters_keep_their_json_types() -> None:
    assert [_parameter(text) for text in ("leaves=63", "rate=0.1", "fast=true", "metric=auc")] == [
        ("leaves", 63),
        ("rate", 0.1),
        ("fast", True),
        ("metric", "auc"),
    ]


def test_a_summary_says_plain_values_in_one_line() -> None:
    assert summary({"pipeline": "p", "version": 3, "auc": 0.123456, "gates": [1], "reason": "x" * 50}) == (
        f"version=3 auc=0.1235 reason={'x' * 40}…"
    )
