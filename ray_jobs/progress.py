"""How far a job is: ``progress.jsonl`` for whoever follows it, seconds by stage for its report, a span each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

from contracts.jobs import Progress
from contracts.message import utc_now
from contracts.model import Uri
from everloop import storage
from ray_jobs.telemetry import Spans


class Stages:
    """The stages of one job, one after the other."""

    def __init__(self, uri: Uri, spans: Spans) -> None:
        """Begin.

        Args:
            uri: Where the lines go; written anew each time, since object stores can't append.
            spans: Opens a span per stage.
        """
        self._uri = uri
        self._spans = spans
        self._lines: list[bytes] = []
        self._stage = ""
        self._fraction = 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, fraction: float) -> Iterator[None]:
        """Do a stage.

        Args:
            name: Of the stage; also its span's.
            fraction: Of the whole job that is done when the stage begins, estimated.
        """
        self._stage, self._fraction = name, fraction
        self.say(fraction)
        start = perf_counter()
        with self._spans(name):
            yield
        self.seconds[name] = perf_counter() - start

    def say(self, fraction: float | None = None, metrics: Mapping[str, float] | None = None) -> None:
        """Write a line about the current stage."""
        line = Progress(
            at=utc_now(),
            stage=self._stage,
            fraction=self._fraction if fraction is None else fraction,
            metrics=dict(metrics or {}),
        )
        self._lines.append(line.model_dump_json().encode() + b"\n")
        storage.write_bytes(self._uri, b"".join(self._lines))
