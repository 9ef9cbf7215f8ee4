"""`everloop predict`, `result` and `label`: ask the model, and tell how it turned out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.explanations import as_document, show_explanation
from everloop.cli.output import say, show_json, table
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from contracts.monitoring import GroundTruth
    from everloop.client import Platform, Predictions
    from everloop.client.platform import Way

LABELS_AT_ONCE = 2000


class Over(StrEnum):
    """Ways to a model."""

    HTTP = "http"
    NATS = "nats"
    QUEUE = "queue"


def predict(
    model: options.Model,
    rows: Annotated[
        str,
        typer.Argument(help="A JSON object or list of them, @FILE (JSON, CSV or Parquet), or - for standard input."),
    ],
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column that says when each row happened, with a zone.")
    ] = None,
    over: Annotated[
        Over, typer.Option(help="By HTTP, by a request over the broker, or queued until a replica gets to it.")
    ] = Over.HTTP,
    request: Annotated[
        UUID | None,
        typer.Option("--id", metavar="UUID", help="Of a queued request: under it there is one result, however often."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Stay until a queued request is answered.")] = True,
    wait_limit: options.WaitLimit = 60,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what moved each score, the strongest columns of the model first.")
    ] = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Ask the model in production about rows.

    Example: everloop predict flight_delays @rows.json --explain
    """
    asked = _rows(rows)

    async def work(platform: "Platform") -> "Predictions | UUID":
        if over is not Over.QUEUE:
            way: Way = "nats" if over is Over.NATS else "http"
            return await platform.predict(model, asked, event_time=time, explain=explain, over=way)
        request_id = await platform.request_inference(model, asked, request_id=request, explain=explain)
        return await platform.inference(request_id, within_s=wait_limit) if wait else request_id

    answer = with_platform(home, work)
    if not isinstance(answer, UUID):
        _show(answer, asked, as_json=as_json)
    elif as_json:
        show_json({"request_id": str(answer)})
    else:
        say(f"Queued. [dim]everloop result {answer}[/dim]")


def result(
    request: Annotated[UUID, typer.Argument(help="Id of a queued request.", show_default=False)],
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show what a queued request was answered.

    Example: everloop result 0197f3c2-…
    """

    async def work(platform: "Platform") -> "Predictions":
        return await platform.inference(request)

    _show(with_platform(home, work), as_json=as_json)


def _show(answer: "Predictions", asked: Sequence[Mapping[str, Any]] = (), *, as_json: bool) -> None:
    if as_json:
        show_json(as_document(answer))
        return
    rows = zip(answer.prediction_ids, answer.scores, strict=True)
    table(
        ("Prediction", "Score", "Model version"),
        ((prediction_id, f"{score:.4f}", answer.version) for prediction_id, score in rows),
    )
    if answer.explanation:
        show_explanation(answer, asked)
    say(f"[dim]everloop why {answer.prediction_ids[0]}[/dim]")


def label(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)],
    prediction: Annotated[
        str, typer.Argument(help="Id of a prediction, or @FILE of CSV: prediction_id,label[,observed_at].")
    ],
    value: Annotated[float | None, typer.Argument(help="What happened: 0 or 1, or the value.")] = None,
    at: Annotated[
        datetime | None, typer.Option(help="When it became known.", show_default="now", metavar="TIME")
    ] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Tell how predictions turned out.

    Example: everloop label flight_delays 0197f3c2-… 1
    """
    from contracts.monitoring import RecordGroundTruth

    labels = list(_labels(prediction, value, at))

    async def work(platform: "Platform") -> list[str]:
        ids = []
        for start in range(0, len(labels), LABELS_AT_ONCE):
            part = tuple(labels[start : start + LABELS_AT_ONCE])
            receipt = await platform.bus.say(RecordGroundTruth(pipeline=pipeline, labels=part), source="cli")
            ids.append(receipt.message_id)
        return ids

    ids = with_platform(home, work)
    if as_json:
        show_json({"labels": len(labels), "message_ids": ids})
    else:
        say(f"Told {len(labels)} outcome{'s' if len(labels) != 1 else ''}.")


def _rows(rows: str) -> list[dict[str, Any]]:
    if rows.startswith("@") and not rows.endswith(".json"):
        return _table_rows(Path(rows[1:]))
    text = typer.get_text_stream("stdin").read() if rows == "-" else rows
    try:
        content = json.loads(Path(rows[1:]).read_text() if rows.startswith("@") else text)
    except OSError as error:
        raise CommandError(f"{rows[1:]} cannot be read: {error.strerror}", Exit.USAGE) from error
    except ValueError as error:
        raise typer.BadParameter(f"no JSON: {error}", param_hint="ROWS") from error
    listed = content if isinstance(content, list) else [content]
    if not all(isinstance(row, dict) for row in listed):
        raise typer.BadParameter("not an object or a list of objects", param_hint="ROWS")
    return listed


def _table_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        rows = csv.read_csv(path) if path.name.endswith((".csv", ".csv.gz")) else parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise CommandError(f"{path} cannot be read: {error}", Exit.USAGE) from error
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in rows.to_pylist()
    ]


def _labels(prediction: str, value: float | None, at: datetime | None) -> "Iterator[GroundTruth]":
    from contracts.message import utc_now
    from contracts.monitoring import GroundTruth

    known_at = at.astimezone() if at else utc_now()
    if not prediction.startswith("@"):
        if value is None:
            raise typer.BadParameter("say what happened: everloop label PIPELINE PREDICTION VALUE", param_hint="VALUE")
        yield GroundTruth(prediction_id=prediction, label=value, observed_at=known_at)
        return
    for row in _checked(_table_rows(Path(prediction[1:]))):
        observed = row.get("observed_at")
        yield GroundTruth(
            prediction_id=str(row["prediction_id"]),
            label=float(row["label"]),
            observed_at=datetime.fromisoformat(str(observed)).astimezone() if observed else known_at,
        )


def _checked(rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    if not rows or not {"prediction_id", "label"} <= rows[0].keys():
        raise CommandError("the file needs the columns prediction_id and label", Exit.USAGE)
    return rows
