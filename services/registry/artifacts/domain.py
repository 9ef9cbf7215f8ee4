"""Where a file may be: below the root, and nowhere else however its path is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PureWindowsPath
from urllib.parse import unquote, urlsplit

from services.chassis.errors import MalformedError, RejectedError

SCHEME = "mlflow-artifacts"
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 1000
MAX_DECODINGS = 10


@dataclass(frozen=True)
class Artifact:
    """A file, or a directory, which has no size."""

    name: str
    size_bytes: int | None


@dataclass(frozen=True)
class Holder:
    """A registered version that has its files at some place.

    Attributes:
        name: Its model's.
        number: Its number.
        decided: Somebody, or gates, have said something about it since it was logged.
    """

    name: str
    number: int
    decided: bool

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"


def check_write(path: str, holders: Iterable[Holder]) -> None:
    """Let what was decided about stay as it was then.

    Args:
        path: What is to be written.
        holders: Versions that have their files there, or the directory it is in.

    Raises:
        RejectedError: One of them was decided about.
    """
    for holder in holders:
        if holder.decided:
            raise RejectedError("version_was_decided_about", path=path, version=holder)


def check_delete(path: str, holders: Iterable[Holder]) -> None:
    """Let no version lose its files.

    Args:
        path: What is to be deleted.
        holders: Versions that have their files there, above or below.

    Raises:
        RejectedError: There is one.
    """
    for holder in holders:
        raise RejectedError("version_needs_its_files", path=path, version=holder)


def checked(path: str) -> str:
    """Take a path as it is, unless some reader could take it for another place.

    A path is read as it is and percent-decoded once more, and once more, as some clients, proxies and stores do.

    Args:
        path: Relative, with slashes; one may end it. Empty means the root.

    Raises:
        MalformedError: It could lead out of the root, or no store could keep a file there.
    """
    path = path.removesuffix("/")
    read = path
    for _ in range(MAX_DECODINGS):
        _check(read, path)
        decoded = unquote(read)
        if decoded == read:
            return path
        read = decoded
    raise MalformedError("invalid_path", path=path)


def below(root_uri: str, path: str) -> str:
    """Find a path of a run's or a logged model's own in the paths of the store.

    Args:
        root_uri: Where its artifacts are: ``mlflow-artifacts:/<path>``, with a host or without.
        path: Below that; empty means the directory itself.

    Raises:
        MalformedError: The path is not allowed, or the artifacts are not kept here.
    """
    parts = urlsplit(root_uri)
    if parts.scheme != SCHEME:
        raise MalformedError("artifacts_kept_elsewhere", uri=root_uri)
    return checked("/".join(filter(None, (parts.path.strip("/"), checked(path)))))


def _check(read: str, path: str) -> None:
    names = read.split("/") if read else []
    if (
        any(name in ("", ".", "..") or len(name.encode()) > MAX_NAME_BYTES for name in names)
        or any(character in "#?\\\x7f" or character < " " for character in read)
        or PureWindowsPath(read).is_absolute()
        or len(read.encode()) > MAX_PATH_BYTES
    ):
        raise MalformedError("invalid_path", path=path)
