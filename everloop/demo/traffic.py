"""The demo's client: asks the model over HTTP about flights before they leave, and tells later how they ended."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.monitoring import GroundTruth
from contracts.pipeline import ColumnRole, DatasetContract
from everloop.bundle.model import Scores
from everloop.client.inference import request_body


@dataclass(slots=True)
class Answers:
    """What the model said of a list of flights, in their order; NaN where a request failed."""

    scores: Scores
    prediction_ids: list[str]
    versions: list[int]

    @classmethod
    def empty(cls, rows: int) -> "Answers":
        """Make room for answers."""
        return cls(np.full(rows, np.nan), [""] * rows, [0] * rows)

    @property
    def rows(self) -> int:
        """How many flights were asked about."""
        return len(self.prediction_ids)

    def put(self, start: int, others: "Answers") -> None:
        """Write answers to a part of the list."""
        stop = start + others.rows
        self.scores[start:stop] = others.scores
        self.prediction_ids[start:stop] = others.prediction_ids
        self.versions[start:stop] = others.versions

    def append(self, others: "Answers") -> None:
        """Put answers at the end of the list."""
        self.scores = np.append(self.scores, others.scores)
        self.prediction_ids += others.prediction_ids
        self.versions += others.versions


@dataclass(slots=True)
class Traffic:
    """One client with a few connections; counts what it asked and what failed."""

    url: str
    contract: DatasetContract
    http: httpx.AsyncClient
    rows_per_request: int = 64
    connections: int = 4
    predictions: int = 0
    failed_requests: int = 0
    failures: list[str] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    async def meet(self) -> None:
        """Learn from the model what it wants to be asked."""
        self.metadata = (await self.http.get(self.url)).raise_for_status().json()

    async def ask(self, flights: pa.Table, *, traceparent: str | None = None) -> Answers:
        """Ask about flights, several requests at a time.

        Args:
            flights: Rows of the dataset; only features and the event time are sent.
            traceparent: The trace that the requests belong to.
        """
        answers = Answers.empty(flights.num_rows)
        places = iter(range(0, flights.num_rows, self.rows_per_request))

        async def take_turns() -> None:
            for start in places:
                await self._ask_once(flights.slice(start, self.rows_per_request), start, answers, traceparent)

        async with asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(take_turns())
        return answers

    async def _ask_once(self, rows: pa.Table, start: int, answers: Answers, traceparent: str | None) -> None:
        headers = {"traceparent": traceparent} if traceparent else {}
        try:
            response = await self.http.post(f"{self.url}/infer", json=self._body(rows), headers=headers)
            response.raise_for_status()
            told = response.json()
            outputs = {output["name"]: output["data"] for output in told["outputs"]}
            answers.scores[start : start + rows.num_rows] = outputs["score"]
        except (httpx.HTTPError, KeyError, ValueError) as error:
            self.failed_requests += 1
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        answers.prediction_ids[start : start + rows.num_rows] = outputs["prediction_id"]
        answers.versions[start : start + rows.num_rows] = [int(told["model_version"])] * rows.num_rows
        self.predictions += rows.num_rows

    def _body(self, rows: pa.Table) -> dict[str, Any]:
        when = self.contract.event_time.name
        asked = rows.select([*(spec["name"] for spec in self.metadata["inputs"] if spec["name"] != when), when])
        asked = asked.set_column(asked.num_columns - 1, when, pc.strftime(asked[when], "%Y-%m-%dT%H:%M:%SZ"))
        return {"id": uuid4().hex, **request_body(asked.to_pylist(), self.metadata, extra=(when,))}


def outcomes(flights: pa.Table, answers: Answers, contract: DatasetContract) -> list[tuple[datetime, GroundTruth]]:
    """Say how flights ended, by the time it was known; flights that never ended have no outcome."""
    known_at = flights[contract.of_role(ColumnRole.LABEL_TIME)[0].name].to_pylist()
    labels = flights[contract.label.name].to_pylist()
    return [
        (at, GroundTruth(prediction_id=prediction_id, label=float(label), observed_at=at))
        for at, label, prediction_id in zip(known_at, labels, answers.prediction_ids, strict=True)
        if at is not None and label is not None and prediction_id
    ]


def auc(flights: pa.Table, scores: Scores, contract: DatasetContract) -> float:
    """Measure how well scores rank the flights that ended: area under the ROC curve, 0.5 by chance."""
    from sklearn.metrics import roc_auc_score

    labels = flights[contract.label.name].to_pylist()
    known = [place for place, label in enumerate(labels) if label is not None and not np.isnan(scores[place])]
    return float(roc_auc_score([labels[place] for place in known], [scores[place] for place in known]))
