"""Find a platform: its state file on this machine, or addresses in the environment."""

import os
from pathlib import Path

from everloop.client.errors import NotRunningError
from everloop.platform.home import find_home, is_locked
from everloop.platform.state import Endpoints, read_state


def find_endpoints(home: Path | None = None) -> Endpoints:
    """Read where the platform of a home directory answers.

    The environment variable ``EVERLOOP_NATS_URL``, ``EVERLOOP_<SERVICE>_URL``, ``EVERLOOP_SERVE_URL``,
    ``EVERLOOP_GRPC_ADDRESS`` or ``EVERLOOP_RAY_URL`` wins over what the directory says; with all of the first two kinds
    set, no directory is needed.

    Raises:
        NotRunningError: No platform runs on the directory and the environment names none.
    """
    place = find_home(home)
    state = read_state(place)
    found = state.endpoints if state and is_locked(place) else None
    services = ("ingestion", "training", "registry", "serving", "monitoring")
    urls = {name: os.environ.get(f"EVERLOOP_{name.upper()}_URL") or (found and found.of(name)) for name in services}
    nats = os.environ.get("EVERLOOP_NATS_URL") or (found and found.nats)
    if nats is None or not all(urls.values()):
        raise NotRunningError(f"no platform runs on {place.root}; start one with `everloop up`")
    return Endpoints(
        nats=nats,
        services={name: str(url) for name, url in urls.items()},
        ray=os.environ.get("EVERLOOP_RAY_URL") or (found.ray if found else ""),
        serve=os.environ.get("EVERLOOP_SERVE_URL") or (found.serve if found else ""),
        grpc=os.environ.get("EVERLOOP_GRPC_ADDRESS") or (found.grpc if found else ""),
        otlp=os.environ.get("EVERLOOP_OTLP_ENDPOINT") or (found.otlp if found else ""),
    )
