"""The directory that holds everything one platform keeps, and the lock that makes it belong to one supervisor."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# The longest socket below Ray's directory is session_<time>_<pid>/sockets/plasma_store, and the kernel
# takes no socket path above 107 bytes.
LONGEST_RAY_DIRECTORY = 40


class HomeTakenError(RuntimeError):
    """Another supervisor runs on this directory."""


@dataclass(frozen=True)
class Home:
    """Paths below one home directory."""

    root: Path

    @property
    def state_file(self) -> Path:
        """Where the supervisor writes what runs and under which addresses."""
        return self.root / "run" / "state.json"

    @property
    def lock_file(self) -> Path:
        """Locked as long as a supervisor lives; released by the kernel however it dies."""
        return self.root / "run" / "lock"

    @property
    def config_file(self) -> Path:
        """Settings of the platform and its services, if the person wrote any."""
        return self.root / "everloop.toml"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    @property
    def nats(self) -> Path:
        """The broker's configuration and streams."""
        return self.root / "nats"

    @property
    def store(self) -> Path:
        """Raw data, datasets, code and models."""
        return self.root / "store"

    @property
    def spans(self) -> Path:
        """The trace store."""
        return self.root / "telemetry" / "spans.sqlite"

    @property
    def ray_token(self) -> Path:
        """What Ray's clients prove themselves with; readable by its owner only."""
        return self.root / "ray" / "token"

    @property
    def ray_ready(self) -> Path:
        """Written by the Ray head once it is up."""
        return self.root / "ray" / "head.json"

    @property
    def ray_sessions(self) -> Path:
        """Ray's own directory: below home where sockets can have such a path, else in the temporary directory."""
        own = self.root / "ray" / "s"
        if len(os.fsencode(own)) <= LONGEST_RAY_DIRECTORY:
            return own
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]
        return Path(tempfile.gettempdir()) / f"everloop-{os.getuid()}-{name}"

    def log_of(self, process: str) -> Path:
        """Where one process writes."""
        return self.logs / f"{process}.log"

    def make(self) -> None:
        """Create the directories, closed to other users of the machine."""
        for path in ("run", "logs", "nats", "store", "telemetry", "ray", "db"):
            (self.root / path).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self.ray_sessions.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.ray_sessions.stat().st_uid != os.getuid():
            raise HomeTakenError(f"{self.ray_sessions} belongs to another user; set TMPDIR to a directory of your own")


def find_home(directory: Path | None = None) -> Home:
    """Take the directory asked for, else that of the environment, else ``~/.everloop``."""
    return Home((directory or Path(os.environ.get("EVERLOOP_HOME") or "~/.everloop")).expanduser().resolve())


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the home directory for this process.

    Raises:
        HomeTakenError: Another process holds it.
    """
    with home.lock_file.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HomeTakenError(f"another `everloop up` runs on {home.root}") from error
        yield


def is_locked(home: Home) -> bool:
    """Tell whether a supervisor lives on this directory."""
    if not home.lock_file.exists():
        return False
    try:
        with locked(home):
            return False
    except HomeTakenError:
        return True
