"""What is asked: whole requests, as a client of MLflow sends them, no two writes alike."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, repeat
from typing import Any
from urllib.parse import urlencode

API = "/api/2.0/mlflow/"
FILTER = "metrics.auc > 0.5 AND params.depth = '3'"


@dataclass(frozen=True)
class Stage:
    """What a server knows before it is asked."""

    experiment: str
    runs: tuple[str, ...]
    model: str
    searched: Mapping[int, str]
    """Experiments to search, by how many runs they have."""


@dataclass(frozen=True)
class Operation:
    """One kind of request."""

    name: str
    requests: Callable[[Stage], Iterable[bytes]]


def request(method: str, path: str, given: Mapping[str, Any]) -> bytes:
    """Write a request whole."""
    query = f"?{urlencode(given)}" if method == "GET" else ""
    body = b"" if method == "GET" else json.dumps(given).encode()
    head = f"{method} {API}{path}{query} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _create_run(stage: Stage) -> Iterable[bytes]:
    tags = [{"key": "mlflow.user", "value": "ada"}, {"key": "mlflow.source.name", "value": "train.py"}]
    given = {"experiment_id": stage.experiment, "user_id": "ada", "run_name": "run", "start_time": 1000, "tags": tags}
    return repeat(request("POST", "runs/create", given))


def _log_metric(stage: Stage) -> Iterator[bytes]:
    for step in count():
        run = stage.runs[step % len(stage.runs)]
        given = {"run_id": run, "key": "loss", "value": 1 / (step + 1), "timestamp": 1000 + step, "step": step}
        yield request("POST", "runs/log-metric", given)


def _log_batch(stage: Stage) -> Iterator[bytes]:
    for number in count():
        metrics = [
            {"key": f"metric {place % 10}", "value": place / 7, "timestamp": 1000, "step": number * 10 + place // 10}
            for place in range(100)
        ]
        yield request("POST", "runs/log-batch", {"run_id": stage.runs[number % len(stage.runs)], "metrics": metrics})


def _get_run(stage: Stage) -> Iterable[bytes]:
    return repeat(request("GET", "runs/get", {"run_id": stage.runs[0]}))


def _create_model_version(stage: Stage) -> Iterable[bytes]:
    source = f"mlflow-artifacts:/{stage.experiment}/{stage.runs[0]}/artifacts/model"
    return repeat(
        request("POST", "model-versions/create", {"name": stage.model, "source": source, "run_id": stage.runs[0]})
    )


def _get_by_alias(stage: Stage) -> Iterable[bytes]:
    return repeat(request("GET", "registered-models/alias", {"name": stage.model, "alias": "best"}))


def _search(size: int) -> Callable[[Stage], Iterable[bytes]]:
    def requests(stage: Stage) -> Iterable[bytes]:
        given = {
            "experiment_ids": [stage.searched[size]],
            "filter": FILTER,
            "order_by": ["metrics.auc DESC"],
            "max_results": 50,
        }
        return repeat(request("POST", "runs/search", given))

    return requests


def operations(sizes: Iterable[int]) -> tuple[Operation, ...]:
    """List the operations; those that only read come first, so that what they read is no larger for a faster server."""
    return (
        *(Operation(f"search of {size:,} runs", _search(size)) for size in sizes),
        Operation("get_run", _get_run),
        Operation("get_by_alias", _get_by_alias),
        Operation("create_run", _create_run),
        Operation("log_metric", _log_metric),
        Operation("log_batch of 100", _log_batch),
        Operation("create_model_version", _create_model_version),
    )
