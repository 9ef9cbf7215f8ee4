"""How far a job is: ``progress.jsonl`` for whoever follows it, seconds by stage for its report, a span each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from contracts.jobs import Progress
from contracts.message import utc_now
from contracts.model import Uri
from everloop import storage
from ray_jobs.telemetry import Spans


@dataclass(frozen=True, slots=True)
class Teller:
    """Writes lines about one stage, from whichever process does its work."""

    uri: Uri
    stage: str
    start: float
    end: float

    def __call__(self, share: float, metrics: Mapping[str, float] | None = None) -> None:
        """Write a line.

        Args:
            share: Of the stage that is done, from 0 to 1.
            metrics: What is known so far.
        """
        fraction = self.start + (self.end - self.start) * share
        line = Progress(at=utc_now(), stage=self.stage, fraction=fraction, metrics=dict(metrics or {}))
        # Written anew each time: object stores can't append, and there are few lines.
        before = storage.read_bytes(self.uri) if storage.exists(self.uri) else b""
        storage.write_bytes(self.uri, before + line.model_dump_json().encode() + b"\n")


class Stages:
    """The stages of one job, one after the other."""

    def __init__(self, uri: Uri, spans: Spans) -> None:
        """Begin.

        Args:
            uri: Where the lines go.
            spans: Opens a span per stage.
        """
        self._uri = uri
        self._spans = spans
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, start: float, end: float) -> Iterator[Teller]:
        """Do a stage.

        Args:
            name: Of the stage; also its span's.
            start: Share of the whole job that is done when the stage begins, estimated.
            end: The same when it ends.

        Yields:
            What tells how the stage goes.
        """
        tell = Teller(self._uri, name, start, end)
        tell(0)
        began = perf_counter()
        with self._spans(name):
            yield tell
        self.seconds[name] = perf_counter() - began
