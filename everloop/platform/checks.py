"""What can be wrong with a machine or a home directory, and what to do about it."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from everloop.platform.config import ConfigError, read_config
from everloop.platform.home import Home, is_locked
from everloop.platform.nats import NatsMissingError, nats_binary
from everloop.platform.ports import DEFAULT_PORTS, is_free

Verdict = Literal["ok", "warning", "problem"]

GIB = 1024**3
OLDEST_NATS = (2, 12)
LEAST_DISK_BYTES = 5 * GIB
LEAST_MEMORY_BYTES = 4 * GIB
LEAST_OPEN_FILES = 1024
INSTALL = 'pip install "everloop[platform]"'


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def examine(home: Home) -> list[Finding]:
    """Look at everything; a check that itself fails is a finding, not an error."""
    checks: tuple[Callable[[Home], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _nats,
        _directory,
        _settings,
        _ports,
        _machine,
    )
    return [finding for check in checks for finding in check(home)]


def _python(_home: Home) -> Iterator[Finding]:
    found = platform.python_version()
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Finding("python", "ok" if fits else "problem", found, "" if fits else "use Python 3.11 or 3.12")
    linux = sys.platform.startswith("linux")
    advice = "" if linux else "elsewhere than on Linux only the watchdog ends processes after a kill -9"
    yield Finding("system", "ok" if linux else "warning", f"{platform.system()} {platform.machine()}", advice)


def _packages(_home: Home) -> Iterator[Finding]:
    for name in ("everloop", "ray", "nats-py", "fastapi", "sqlmodel", "deltalake", "onnxruntime", "lightgbm"):
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "problem", "not installed", INSTALL)


def _nats(_home: Home) -> Iterator[Finding]:
    try:
        binary = nats_binary()
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603
    except NatsMissingError:
        yield Finding("nats-server", "problem", "not installed", INSTALL)
        return
    except (OSError, subprocess.SubprocessError) as error:
        yield Finding("nats-server", "problem", str(error), INSTALL)
        return
    numbers = re.search(r"v(\d+)\.(\d+)\.\d+", said)
    fits = bool(numbers) and tuple(map(int, numbers.groups())) >= OLDEST_NATS if numbers else False
    advice = "" if fits else f"{binary} is older than 2.12 and ignores settings our promises stand on; {INSTALL}"
    yield Finding("nats-server", "ok" if fits else "problem", said.strip().removeprefix("nats-server: "), advice)


def _directory(home: Home) -> Iterator[Finding]:
    if is_locked(home):
        yield Finding("platform", "ok", "runs on this home")
    if not home.root.exists():
        yield Finding("home", "ok", f"{home.root} is made at the first `everloop up`")
    else:
        mode = home.root.stat().st_mode & 0o077
        writable = os.access(home.root, os.W_OK)
        verdict: Verdict = "problem" if not writable else "warning" if mode else "ok"
        advice = "make it writable" if not writable else f"others may enter it: chmod 700 {home.root}" if mode else ""
        yield Finding("home", verdict, str(home.root), advice)
    existing = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    enough = free >= LEAST_DISK_BYTES
    yield Finding(
        "disk", "ok" if enough else "warning", f"{free / GIB:.1f} GiB free", "" if enough else "make room: 5 GiB"
    )


def _settings(home: Home) -> Iterator[Finding]:
    try:
        read_config(home)
    except ConfigError as error:
        yield Finding("settings", "problem", str(error), f"correct {home.config_file}")
    else:
        yield Finding("settings", "ok", str(home.config_file) if home.config_file.exists() else "defaults")


def _ports(home: Home) -> Iterator[Finding]:
    if is_locked(home):
        return
    taken = [f"{name} {port}" for name, port in DEFAULT_PORTS.items() if not is_free(port)]
    advice = "free ports are taken instead; `everloop status` tells which" if taken else ""
    yield Finding("ports", "warning" if taken else "ok", f"in use: {', '.join(taken)}" if taken else "free", advice)


def _machine(_home: Home) -> Iterator[Finding]:
    import resource

    import psutil

    memory = psutil.virtual_memory().total
    enough = memory >= LEAST_MEMORY_BYTES
    advice = "" if enough else "Ray and five services want 4 GiB"
    yield Finding("memory", "ok" if enough else "warning", f"{memory / GIB:.1f} GiB", advice)
    cores = os.cpu_count() or 1
    yield Finding("cores", "ok" if cores > 1 else "warning", str(cores), "" if cores > 1 else "it will be slow on one")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    many = files >= LEAST_OPEN_FILES
    yield Finding("open files", "ok" if many else "warning", str(files), "" if many else "ulimit -n 4096")
