"""Bytes by URI: an absolute path, ``file://``, ``s3://`` or ``gs://``, all through ``pyarrow.fs``.

Every write is all or nothing: a reader sees the old bytes or the new ones. Functions block; services call
them in a thread.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

if TYPE_CHECKING:
    # Loaded where it is first used: 45 MiB that a process which keeps no bytes does without.
    from pyarrow.fs import FileInfo, FileSystem

CHUNK_BYTES = 1 << 20
LOCAL = "local"
PARTIAL = ".partial"
"""How the name of a file ends that is still being written."""


class StorageError(OSError):
    """The bytes could not be read or written; the message says what to look at."""


@dataclass(frozen=True)
class Entry:
    """A file, or a directory, which has no size."""

    name: str
    size_bytes: int | None
    written_at: datetime | None = None

    @property
    def is_directory(self) -> bool:
        """Tell a directory from a file."""
        return self.size_bytes is None


def digest(data: bytes) -> str:
    """Name bytes by their content: ``sha256:<64 hex digits>``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_file(path: Path) -> str:
    """Name a local file's bytes by their content without reading them all at once."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def digest_at(uri: str) -> str:
    """Name what is behind a URI by its content without reading it all at once; raises as ``chunks`` does."""
    found = hashlib.sha256()
    for chunk in chunks(uri):
        found.update(chunk)
    return f"sha256:{found.hexdigest()}"


def join(uri: str, *parts: str) -> str:
    """Append path segments to a URI."""
    return "/".join((uri.rstrip("/"), *(part.strip("/") for part in parts)))


def name(uri: str) -> str:
    """Take the last path segment of a URI."""
    return PurePosixPath(urlsplit(uri).path).name


def local_path(uri: str) -> Path | None:
    """Find where a URI lies on this machine; None if it lies elsewhere."""
    filesystem, path = _locate(uri)
    return Path(path) if filesystem.type_name == LOCAL else None


def read_bytes(uri: str) -> bytes:
    """Read everything behind a URI.

    Raises:
        StorageError: Nothing is there, or it cannot be read.
    """
    filesystem, path = _locate(uri)
    try:
        with filesystem.open_input_stream(path, compression=None) as stream:
            return bytes(stream.read())
    except OSError as error:
        raise _said(error, "read", uri) from error


def write_bytes(uri: str, data: bytes) -> None:
    """Replace what is behind a URI, durably.

    Raises:
        StorageError: The place cannot be written.
    """
    filesystem, path = _locate(uri)
    try:
        if filesystem.type_name == LOCAL:
            with _replacing(Path(path)) as file:
                file.write(data)
        else:
            with filesystem.open_output_stream(path, compression=None) as stream:
                stream.write(data)
    except OSError as error:
        raise _said(error, "write", uri) from error


@contextmanager
def writing(uri: str) -> Iterator[IO[bytes]]:
    """Write piece by piece: all of it is there, durably, once the block ends well, and nothing if it does not.

    Raises:
        StorageError: The place cannot be written.
    """
    filesystem, path = _locate(uri)
    try:
        if filesystem.type_name == LOCAL:
            with _replacing(Path(path)) as file:
                yield file
        else:
            # Closing an object store's stream keeps what was written, even after an error.
            with TemporaryFile() as file:
                yield file
                file.seek(0)
                with filesystem.open_output_stream(path, compression=None) as stream:
                    shutil.copyfileobj(file, stream, CHUNK_BYTES)
    except OSError as error:
        raise _said(error, "write", uri) from error


def chunks(uri: str) -> Iterator[bytes]:
    """Read what is behind a URI piece by piece.

    Raises:
        StorageError: Nothing is there, or it cannot be read.
    """
    filesystem, path = _locate(uri)
    try:
        with filesystem.open_input_stream(path, compression=None) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _said(error, "read", uri) from error


def write_once(directory_uri: str, data: bytes, *, suffix: str = "") -> str:
    """Keep bytes under their own digest; keeping them again changes nothing.

    Returns:
        The URI ``<directory>/<64 hex digits><suffix>``.
    """
    uri = join(directory_uri, digest(data).removeprefix("sha256:") + suffix)
    if not exists(uri):
        write_bytes(uri, data)
    return uri


def exists(uri: str) -> bool:
    """Tell whether a file or directory is there."""
    return find(uri) is not None


def find(uri: str) -> Entry | None:
    """Tell what a URI leads to; None if nothing is there."""
    filesystem, path = _locate(uri)
    try:
        return _entry(filesystem.get_file_info(path))
    except OSError as error:
        raise _said(error, "read", uri) from error


def entries(uri: str) -> tuple[Entry, ...]:
    """List a directory without what is below its directories, sorted by name; none if it is not there."""
    from pyarrow.fs import FileSelector

    filesystem, path = _locate(uri)
    try:
        infos = filesystem.get_file_info(FileSelector(path, allow_not_found=True))
    except NotADirectoryError:
        return ()
    except OSError as error:
        raise _said(error, "read", uri) from error
    found = (entry for info in infos if (entry := _entry(info)) and not entry.name.endswith(PARTIAL))
    return tuple(sorted(found, key=lambda entry: entry.name))


def delete(uri: str) -> None:
    """Delete a file, or a directory with everything below it.

    Raises:
        StorageError: Nothing is there, or it cannot be deleted.
    """
    filesystem, path = _locate(uri)
    try:
        is_directory = filesystem.get_file_info(path).type.name == "Directory"
        (filesystem.delete_dir if is_directory else filesystem.delete_file)(path)
    except OSError as error:
        raise _said(error, "delete", uri) from error


def list(uri: str) -> tuple[str, ...]:
    """List the files below a directory as paths relative to it, sorted; none if it is not there."""
    from pyarrow.fs import FileSelector

    filesystem, path = _locate(uri)
    found = filesystem.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    root = path.rstrip("/") + "/"
    return tuple(sorted(info.path.removeprefix(root) for info in found if info.is_file))


def get_file(uri: str, path: Path) -> None:
    """Copy what is behind a URI to a local file, all or nothing.

    Raises:
        StorageError: Nothing is there, or it cannot be read.
    """
    filesystem, source = _locate(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid4().hex}{PARTIAL}")
    try:
        with filesystem.open_input_stream(source, compression=None) as stream, partial.open("wb") as target:
            shutil.copyfileobj(stream, target, CHUNK_BYTES)
        partial.replace(path)
    except OSError as error:
        raise _said(error, "read", uri) from error
    finally:
        partial.unlink(missing_ok=True)


def put_file(path: Path, uri: str) -> None:
    """Copy a local file to a URI, all or nothing.

    Raises:
        StorageError: The file cannot be read or the place cannot be written.
    """
    filesystem, target = _locate(uri)
    try:
        if filesystem.type_name == LOCAL:
            get_file(str(path.absolute()), Path(target))
            return
        with path.open("rb") as file, filesystem.open_output_stream(target, compression=None) as stream:
            shutil.copyfileobj(file, stream, CHUNK_BYTES)
    except OSError as error:
        raise _said(error, "write", uri) from error


def _locate(uri: str) -> "tuple[FileSystem, str]":
    parts = urlsplit(uri)
    if uri.startswith("/") or parts.scheme == "file":
        return _filesystem("file:///"), uri if uri.startswith("/") else parts.path
    if not parts.scheme:
        raise StorageError(f"{uri!r} is neither an absolute path nor a URI; write /path, file://, s3:// or gs://")
    return _filesystem(f"{parts.scheme}://{parts.netloc}"), parts.netloc + parts.path


@cache
def _filesystem(root: str) -> "FileSystem":
    from pyarrow import ArrowInvalid
    from pyarrow.fs import FileSystem

    try:
        return FileSystem.from_uri(root)[0]
    except (ArrowInvalid, OSError) as error:
        raise StorageError(f"{root} cannot be opened ({error}); use an absolute path, s3:// or gs://") from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid4().hex}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _entry(info: "FileInfo") -> Entry | None:
    if info.type.name == "NotFound":
        return None
    return Entry(info.base_name, None if info.type.name == "Directory" else info.size or 0, info.mtime)


def _said(error: OSError, verb: str, uri: str) -> StorageError:
    if isinstance(error, StorageError):
        return error
    if isinstance(error, FileNotFoundError):
        return StorageError(f"cannot {verb} {uri}: nothing is there; check the URI and that it was not deleted")
    return StorageError(f"cannot {verb} {uri}: {error}; check its permissions, free space and credentials")
