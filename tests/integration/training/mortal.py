"""Training as a process of its own on a cluster of files, which kills itself where it is told to.

``python -m tests.integration.training.mortal <folder of jobs> [<port>.<method>:before|after:<which call>]``
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from services.chassis.bus import Bus
from services.training.main import assemble
from services.training.run_files import StoredRunFiles
from services.training.settings import TrainingSettings
from tests.fakes.folder_jobs import FolderJobs


def mortal(method: Callable[..., Awaitable[Any]], when: str, which: int) -> Callable[..., Awaitable[Any]]:
    """Have a method kill the process with SIGKILL at one of its calls."""
    calls = 0

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == which and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await method(*args, **kwargs)
        if calls == which and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


def main() -> None:
    settings = TrainingSettings.load()
    cluster, files = FolderJobs(Path(sys.argv[1])), StoredRunFiles(settings.store_uri)
    if len(sys.argv) > 2:
        place, when, which = sys.argv[2].split(":")
        port, method = place.split(".")
        owner = {"cluster": cluster, "files": files, "bus": Bus}[port]
        setattr(owner, method, mortal(getattr(owner, method), when, int(which)))
    assemble(settings, cluster, files).run()


if __name__ == "__main__":
    main()
