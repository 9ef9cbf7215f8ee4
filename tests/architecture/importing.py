"""Imports every module of the repository under guard and prints what importing did, as JSON. Run as a program.

Only what our own modules do is held against them: a library that looks around while it is imported may.
"""

import importlib
import json
import os
import pkgutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "services", "ray_jobs", "everloop", "docs")
IMPORT_MACHINERY = "<frozen importlib"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
WATCHED = {"socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename", "sqlite3.connect"}
COMPILED = {"PYARROW_IGNORE_TIMEZONE"}
"""Variables that compiled libraries read; their frames cannot be seen, so the reading looks like ours."""

deeds: list[str] = []


class GuardedEnvironment(dict[str, str]):
    """The environment, noting which of our modules look into it while they are imported."""

    def __getitem__(self, key: str) -> str:
        self._heed(key)
        return super().__getitem__(key)

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self._heed(key)
        return super().get(key, default)

    def copy(self) -> dict[str, str]:
        return dict(self)

    def _heed(self, key: str) -> None:
        if key not in COMPILED:
            _note(f"reads {key} from the environment", directly=True)


def main() -> None:
    os.environ = GuardedEnvironment(os.environ)  # type: ignore[assignment]  # noqa: B003  # reads are to be heard
    sys.addaudithook(_hear)
    failures: list[str] = []
    handlers = _log_handlers()
    threads = threading.active_count()
    for name in modules():
        try:
            importlib.import_module(name)
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
        if _log_handlers() != handlers:
            deeds.append(f"{name} set up logging")
            handlers = _log_handlers()
    if threading.active_count() > threads:
        ours = [thread.name for thread in threading.enumerate() if _runs_our_code(thread)]
        deeds.extend(f"starts the thread {name}" for name in ours)
    sys.stdout.write(json.dumps({"deeds": sorted(set(deeds)), "failures": failures}))


def modules() -> Iterator[str]:
    """Name every module but programs, which are meant to do something."""
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                yield found.name


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event in WATCHED:
        _note(event)
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
        _note(f"writes {arguments[0]}")


def _note(deed: str, *, directly: bool = False) -> None:
    """Hold a deed against the module of ours that did it, if any.

    Pydantic looks into the environment for every class there is: only what a module reads itself counts there.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(IMPORT_MACHINERY):
            return
        if file.startswith(str(ROOT)) and "site-packages" not in file and file != __file__:
            deeds.append(f"{Path(file).relative_to(ROOT)}:{frame.f_lineno} {deed}")
            return
        if directly and file not in (os.__file__, __file__):
            return
        frame = frame.f_back


def _log_handlers() -> int:
    import logging

    ours = [logger for name, logger in logging.root.manager.loggerDict.items() if name.split(".")[0] in PACKAGES]
    return len(logging.root.handlers) + sum(len(getattr(logger, "handlers", ())) for logger in ours)


def _runs_our_code(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", "").split(".")[0] in PACKAGES


if __name__ == "__main__":
    main()
