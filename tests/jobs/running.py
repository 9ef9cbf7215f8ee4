"""Jobs as processes of their own, with a Ray of their own, so that they can be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from contracts.jobs import Progress, TrainingReport, TrainingSpec
from everloop import storage

DONE_WITHIN_S = 400


class Job:
    """A training job in a process."""

    def __init__(self, spec: TrainingSpec, log: Path) -> None:
        self.spec = spec
        self._log = log
        spec_uri = storage.join(spec.output_uri, "spec.json")
        storage.write_bytes(spec_uri, spec.model_dump_json().encode())
        command = [sys.executable, "-m", "ray_jobs.train", spec_uri]
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        with log.open("ab") as output:
            self.process = psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)

    def epochs(self) -> list[int]:
        """Epochs that were told of, in order, over all starts of the job."""
        uri = storage.join(self.spec.output_uri, "progress.jsonl")
        lines = storage.read_bytes(uri).splitlines() if storage.exists(uri) else []
        told = [Progress.model_validate_json(line).metrics for line in lines]
        return [int(metrics["epoch"]) for metrics in told if "epoch" in metrics]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something while the job runs."""
        deadline = time.monotonic() + DONE_WITHIN_S
        while not condition():
            assert self.process.poll() is None, self._words()
            assert time.monotonic() < deadline, self._words()
            time.sleep(0.02)

    def report(self) -> TrainingReport:
        """Wait for the job to succeed."""
        assert self.process.wait(DONE_WITHIN_S) == 0, self._words()
        return TrainingReport.model_validate_json(storage.read_bytes(f"{self.spec.output_uri}/report.json"))

    def kill_worker(self) -> None:
        """Kill one of the processes that train."""
        workers = [process for process in self.process.children(recursive=True) if "TrainWorker" in _title(process)]
        assert workers, "no worker trains"
        workers[0].kill()

    def kill(self) -> None:
        """Kill all of it at once."""
        family = [self.process, *self.process.children(recursive=True)] if self.process.is_running() else []
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=20)

    def _words(self) -> str:
        return self._log.read_text()[-4000:]


@contextmanager
def running(spec: TrainingSpec) -> Iterator[Job]:
    """Run a job, and leave nothing of it behind."""
    job = Job(spec, Path(f"{spec.output_uri}.log"))
    try:
        yield job
    finally:
        job.kill()


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
