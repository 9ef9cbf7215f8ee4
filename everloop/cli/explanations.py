"""What moved a score, as tables with bars."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from everloop.cli.output import number, say, table

if TYPE_CHECKING:
    from everloop.client import Predictions

SHOWN_COLUMNS = 8
SHOWN_ROWS = 10
BAR_WIDTH = 12
UNITS = {"log_odds": "log-odds", "score": "the score's unit"}


def as_document(answer: "Predictions") -> dict[str, Any]:
    """Write predictions, and their explanation where there is one, for programs."""
    predictions: list[dict[str, Any]] = [
        {"prediction_id": prediction_id, "score": score}
        for prediction_id, score in zip(answer.prediction_ids, answer.scores, strict=True)
    ]
    document: dict[str, Any] = {"model": answer.model, "version": answer.version, "predictions": predictions}
    if (found := answer.explanation) is not None:
        for prediction, attributions in zip(predictions, found.attributions, strict=True):
            prediction["attributions"] = attributions
        document["explanation"] = {"method": found.method, "unit": found.unit, "base_value": found.base_value}
    return document


def show_explanation(answer: "Predictions", rows: Sequence[Mapping[str, Any]] = ()) -> None:
    """Draw what moved each score, of the first rows only where there are many.

    Args:
        answer: Has an explanation.
        rows: As they were asked, where they are known.
    """
    found = answer.explanation
    assert found is not None
    for place, attributions in enumerate(found.attributions[:SHOWN_ROWS]):
        total = found.base_value + sum(attributions.values())
        title = (
            f"What moved {answer.prediction_ids[place]}: from {found.base_value:+.3f} to {total:+.3f}, "
            f"in {UNITS.get(found.unit, found.unit)}"
        )
        table(
            ("Column of the model", "Value sent", "Added", ""),
            _lines(attributions, rows[place] if rows else {}),
            title=title,
        )
    if (hidden := len(found.attributions) - SHOWN_ROWS) > 0:
        say(f"[dim]{hidden} more rows; --json has them all.[/dim]")


def _lines(attributions: Mapping[str, float], row: Mapping[str, Any]) -> list[tuple[object, ...]]:
    ranked = sorted(attributions.items(), key=lambda one: -abs(one[1]))
    largest = abs(ranked[0][1]) or 1.0
    lines: list[tuple[object, ...]] = [
        (name, number(row.get(name)), f"{added:+.3f}", _bar(added / largest)) for name, added in ranked[:SHOWN_COLUMNS]
    ]
    if rest := ranked[SHOWN_COLUMNS:]:
        lines.append((f"{len(rest)} others", None, f"{sum(added for _, added in rest):+.3f}", " "))
    return lines


def _bar(share: float) -> str:
    """Draw left of the middle what lowers the score, right of it what raises it."""
    length = round(abs(share) * BAR_WIDTH)
    lower, higher = ("█" * length, "") if share < 0 else ("", "█" * length)
    return f"{lower:>{BAR_WIDTH}}│{higher:<{BAR_WIDTH}}"
