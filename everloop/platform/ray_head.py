"""The Ray head as one process: ``python -m everloop.platform.ray_head``; all of Ray dies with it.

``ray start`` leaves daemons behind and ``ray.init`` fixes the agent's port, so that two platforms on a
machine collide; both are thin covers over the node that is started here.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

import httpx

APPLICATIONS = "/api/serve/applications/"
LEAVE_WITHIN_S = 12.0
KEPT_SESSIONS = 3
MIB = 1024 * 1024


def main() -> int:
    """Start the node, say so in the ready file, and stay until asked to stop or a part of Ray dies."""
    options = _options()
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    forget_sessions(options.sessions)

    from ray._private.node import Node
    from ray._private.parameter import RayParams

    node = Node(
        RayParams(
            node_ip_address="127.0.0.1",
            num_cpus=options.cpus,
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            dashboard_port=options.port,
            dashboard_agent_listen_port=0,
            object_store_memory=options.object_store_mib * MIB,
            temp_dir=str(options.sessions),
        ),
        head=True,
        shutdown_at_exit=False,
        spawn_reaper=True,
    )
    # Where Ray looks first for the cluster of a job; without it a job joins any Ray it finds on the machine.
    (options.sessions / "ray_current_cluster").write_text(f"{node.address}\n")
    draft = options.ready.with_suffix(".new")
    draft.write_text(json.dumps({"address": node.address, "session": node.get_session_dir_path()}))
    os.replace(draft, options.ready)
    while not stop.wait(1.0):
        if dead := node.dead_processes():
            print("a part of Ray died:", ", ".join(name for name, _ in dead), file=sys.stderr, flush=True)  # noqa: T201
            break
    if stop.is_set():
        take_leave(options.port)
    # Nothing Ray holds outlives it, and asking its parts one by one takes ten seconds.
    node.kill_all_processes(check_alive=False, allow_graceful=False)
    return 0 if stop.is_set() else 1


def take_leave(port: int) -> None:
    """Have Serve end its replicas, so that what they answered gets into the log; not for longer than a moment."""
    token = os.environ.get("RAY_AUTH_TOKEN_PATH")
    headers = {"Authorization": f"Bearer {Path(token).read_text().strip()}"} if token else {}
    with suppress(httpx.HTTPError, OSError), httpx.Client(timeout=LEAVE_WITHIN_S, trust_env=False) as client:
        if client.get(f"http://127.0.0.1:{port}{APPLICATIONS}", headers=headers).json().get("applications"):
            client.delete(f"http://127.0.0.1:{port}{APPLICATIONS}", headers=headers)


def forget_sessions(directory: Path) -> None:
    """Delete logs and sockets of all but the last sessions; Ray itself never does."""
    sessions = sorted(path for path in directory.glob("session_*") if path.is_dir() and not path.is_symlink())
    for old in sessions[: -(KEPT_SESSIONS - 1)]:
        shutil.rmtree(old, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m everloop.platform.ray_head")
    parser.add_argument("--port", type=int, required=True, help="of the dashboard and its REST APIs")
    parser.add_argument("--sessions", type=Path, required=True)
    parser.add_argument("--ready", type=Path, required=True)
    parser.add_argument("--cpus", type=int, required=True, help="slots for tasks and actors, not cores")
    parser.add_argument("--object-store-mib", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
