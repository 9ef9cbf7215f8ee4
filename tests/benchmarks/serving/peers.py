"""Starting and stopping the servers, one at a time, each in the environment its own pins want."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from contracts.rollout import Scaling
from tests.benchmarks.serving.flights import Flights
from tests.benchmarks.serving.questions import Form, named_columns, open_inference, split_frame
from tests.fixtures.ray import free_port

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / ".venv-bench"
"""One virtual environment per foreign peer: their pins contradict each other's and ours."""
READY_WITHIN_S = 180
PACKAGES: Mapping[str, tuple[str, ...]] = {
    # Its worker processes ask for an event loop in a way that newer uvloops refuse.
    "mlserver": ("mlserver>=1.7,<1.8", "uvloop<0.22"),
    "bentoml": ("bentoml>=1.4.39,<1.5",),
    "mlflow": ("mlflow>=3.17,<4", "psycopg2-binary>=2.9,<3"),
}
CALLED_WITH = ("pyarrow", "onnxruntime", "numpy", "pydantic", "orjson", "httpx", "nats-py", "rich", "typer")


class NotServingError(Exception):
    """A server did not come up; the message has the end of its log."""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    path: str
    form: Form


@dataclass(frozen=True)
class Peer:
    """A server that can be started."""

    name: str
    start: Callable[[Flights, Path, ExitStack], Running]
    package: str | None = None
    """Name of its environment; unset: ours."""

    @property
    def installed(self) -> bool:
        """Tell whether its environment is there."""
        return self.package is None or (ENVIRONMENTS / self.package / "bin/python").exists()

    @contextmanager
    def running(self, flights: Flights, home: Path) -> Iterator[Running]:
        """Run it for the length of a block."""
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        with ExitStack() as stack:
            yield self.start(flights, home, stack)


def install(package: str) -> None:
    """Make the environment of a foreign peer, with what the model needs to be called."""
    directory = ENVIRONMENTS / package
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    pip = [str(directory / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES[package], *CALLED_WITH], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", str(ROOT)], check=True)


def _bare(app: str) -> Callable[[Flights, Path, ExitStack], Running]:
    def start(flights: Flights, home: Path, stack: ExitStack) -> Running:
        port = free_port()
        name = f"tests.benchmarks.serving.servers.bare:{app}"
        words = [sys.executable, "-m", "uvicorn", "--factory", name, "--port", str(port), "--no-access-log"]
        form = flights.prepared if app == "onnxruntime_alone" else open_inference
        return _started(words, flights, home, stack, Running(port, "/infer", form))

    return start


def _stock_ray(flights: Flights, home: Path, stack: ExitStack) -> Running:
    port = free_port()
    words = [sys.executable, "-m", "tests.benchmarks.serving.servers.stock_ray", str(port)]
    more = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    return _started(words, flights, home, stack, Running(port, "/infer", open_inference), more)


def _mlserver(workers: int) -> Callable[[Flights, Path, ExitStack], Running]:
    def start(flights: Flights, home: Path, stack: ExitStack) -> Running:
        port, grpc_port, metrics_port = free_port(), free_port(), free_port()
        settings = {
            "http_port": port,
            "grpc_port": grpc_port,
            "metrics_port": metrics_port,
            "host": "127.0.0.1",
            "parallel_workers": workers,
            "debug": False,
        }
        runtime = "tests.benchmarks.serving.servers.mlserver_runtime.Flights"
        (home / "settings.json").write_text(json.dumps(settings))
        (home / "model-settings.json").write_text(json.dumps({"name": "flights", "implementation": runtime}))
        words = [str(ENVIRONMENTS / "mlserver/bin/mlserver"), "start", str(home)]
        return _started(words, flights, home, stack, Running(port, "/v2/models/flights/infer", open_inference))

    return start


def _bentoml(flights: Flights, home: Path, stack: ExitStack) -> Running:
    port = free_port()
    service = "tests.benchmarks.serving.servers.bento:Flights"
    words = [str(ENVIRONMENTS / "bentoml/bin/bentoml"), "serve", service, "--host", "127.0.0.1", "--port", str(port)]
    more = {"BENTOML_HOME": str(home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    return _started(words, flights, home, stack, Running(port, "/infer", named_columns), more)


def _mlflow(flights: Flights, home: Path, stack: ExitStack) -> Running:
    port = free_port()
    python, model = str(ENVIRONMENTS / "mlflow/bin/python"), str(home / "model")
    maker = [python, "-m", "tests.benchmarks.serving.servers.mlflow_loader", model]
    subprocess.run(maker, check=True, cwd=ROOT, env=_environment(flights, {}), capture_output=True)
    words = [python, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local", "-p", str(port)]
    # It looks for its web server on the PATH.
    more = {"PATH": f"{ENVIRONMENTS / 'mlflow/bin'}{os.pathsep}{os.environ['PATH']}"}
    return _started(words, flights, home, stack, Running(port, "/invocations", split_frame), more)


def _everloop(scaling: Scaling | None = None) -> Callable[[Flights, Path, ExitStack], Running]:
    def start(flights: Flights, home: Path, stack: ExitStack) -> Running:
        # Heavy to import, and of no use where only peers are measured.
        from tests.benchmarks.serving.everloop_server import serving

        port = stack.enter_context(serving(flights, home, scaling))
        path = f"/v2/models/{flights.definition.name}/infer"
        return _ready(flights, Running(port, path, open_inference), None, home)

    return start


PEERS = (
    Peer("bare Starlette + uvicorn (the limit)", _bare("whole")),
    Peer("bare, features made by the caller", _bare("onnxruntime_alone")),
    Peer("Everloop", _everloop()),
    # One replica, too, but through the wrapper whose counts Ray Serve follows.
    Peer("Everloop, following the load", _everloop(Scaling(max_replicas=1))),
    Peer("MLServer, in process", _mlserver(0), "mlserver"),
    Peer("MLServer, default", _mlserver(1), "mlserver"),
    Peer("BentoML", _bentoml, "bentoml"),
    Peer("mlflow models serve", _mlflow, "mlflow"),
    Peer("Ray Serve, stock with FastAPI", _stock_ray),
)
LIMIT = PEERS[0].name


def _started(
    words: Sequence[str],
    flights: Flights,
    home: Path,
    stack: ExitStack,
    running: Running,
    more: Mapping[str, str] | None = None,
) -> Running:
    log = stack.enter_context((home / "log").open("wb"))
    # Some leave directories of their own where they are started.
    process = psutil.Popen(words, stdout=log, stderr=log, cwd=home, env=_environment(flights, more or {}))
    stack.callback(_end, process)
    return _ready(flights, running, process, home)


def _environment(flights: Flights, more: Mapping[str, str]) -> dict[str, str]:
    bundle = {"BENCH_BUNDLE_URI": flights.bundle_uri, "BENCH_BUNDLE_DIGEST": flights.bundle_digest}
    return {**os.environ, "PYTHONPATH": str(ROOT), **bundle, **more}


def _ready(flights: Flights, running: Running, process: psutil.Popen | None, home: Path) -> Running:
    """Wait for the first right answer: a peer that answers wrongly would be measured for nothing."""
    row = flights.rows.slice(0, 1)
    columns = {name: row[name].to_pylist() for name in row.column_names}
    expected = flights.score(row)
    url = f"http://127.0.0.1:{running.port}{running.path}"
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            break
        try:
            answer = httpx.post(url, json=running.form(columns, flights.datatypes), timeout=5, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.status_code == httpx.codes.OK:
            assert f"{expected:.12g}"[:10] in answer.text, f"{url} answers {answer.text}, not {expected}"
            return running
        time.sleep(0.2)
    raise NotServingError(f"{url} does not answer:\n{(home / 'log').read_text(errors='replace')[-2000:]}")


def _end(process: psutil.Popen) -> None:
    family = [process, *process.children(recursive=True)] if process.is_running() else []
    for one in family:
        try:
            one.terminate()
        except psutil.NoSuchProcess:
            continue
    for one in psutil.wait_procs(family, timeout=20)[1]:
        one.kill()
