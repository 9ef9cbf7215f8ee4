"""Which port every process listens on: the well-known one, or a free one where it is taken."""

import socket
from collections.abc import Mapping

HOST = "127.0.0.1"
DEFAULT_PORTS: Mapping[str, int] = {
    "nats": 4222,
    "ingestion": 8701,
    "training": 8702,
    "registry": 8703,
    "serving": 8704,
    "monitoring": 8705,
    "ray": 8265,
    "serve": 8000,
    "traces": 4318,
    "grpc": 8001,
}


class PortTakenError(RuntimeError):
    """A port that was asked for by number is in use."""


def choose_ports(*, asked: Mapping[str, int], base: int | None = None) -> dict[str, int]:
    """Choose a port for everything in ``DEFAULT_PORTS``.

    Args:
        asked: Ports a person insists on, by name.
        base: Take ``base``, ``base + 1``, … instead of the well-known ports.

    Raises:
        PortTakenError: A port in ``asked`` is in use; others move to a free one instead.
    """
    ports: dict[str, int] = {}
    for place, (name, default) in enumerate(DEFAULT_PORTS.items()):
        wished = asked.get(name) or (default if base is None else base + place)
        if is_free(wished) and wished not in ports.values():
            ports[name] = wished
        elif name in asked:
            raise PortTakenError(f"port {wished}, asked for {name}, is in use; name another or leave it out")
        else:
            ports[name] = free_port(taken=set(ports.values()))
    return ports


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port of this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(*, taken: set[int]) -> int:
    """Let the kernel name a free port."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
