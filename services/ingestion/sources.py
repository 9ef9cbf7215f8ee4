"""Files people point at: local ones below allowed roots, and objects in s3 or gs."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyarrow import ArrowException
from pyarrow.fs import FileSystem, FileType

from everloop import storage
from services.chassis.errors import RejectedError, TransientError

REMOTE_SCHEMES = ("s3", "gs")


class UriSources:
    """Fetches by URI.

    Args:
        allowed_roots: Directories local files may lie in, links followed; none means anywhere this process can read.
        max_bytes: Largest file taken.
    """

    def __init__(self, *, allowed_roots: Sequence[Path] = (), max_bytes: int) -> None:
        self._allowed_roots = tuple(root.resolve() for root in allowed_roots)
        self._max_bytes = max_bytes

    async def fetch(self, uri: str, target: Path) -> None:
        """Copy a file to a local path, in a thread."""
        await asyncio.to_thread(self._fetch, uri, target)

    def _fetch(self, uri: str, target: Path) -> None:
        try:
            parts = urlsplit(uri)
        except ValueError as error:
            raise RejectedError("uri_malformed", uri=uri) from error
        if uri.startswith("/"):
            self._fetch_local(Path(uri), target)
        elif parts.scheme == "file" and parts.netloc in ("", "localhost"):
            self._fetch_local(Path(unquote(parts.path)), target)
        elif parts.scheme in REMOTE_SCHEMES:
            self._fetch_remote(uri, target)
        else:
            raise RejectedError("uri_not_supported", uri=uri, supported="/absolute/path, file://, s3://, gs://")

    def _fetch_local(self, named: Path, target: Path) -> None:
        try:
            path = named.resolve(strict=True)
            if self._allowed_roots and not any(path.is_relative_to(root) for root in self._allowed_roots):
                raise RejectedError("file_outside_allowed_roots", path=str(named))
            if not path.is_file():
                raise RejectedError("not_a_file", path=str(named))
            self._refuse_large(path.stat().st_size)
            storage.get_file(str(path), target)
        except (OSError, RuntimeError, ValueError) as error:
            raise RejectedError("file_unreadable", path=str(named), reason=str(error)) from error
        self._refuse_large(target.stat().st_size)

    def _fetch_remote(self, uri: str, target: Path) -> None:
        try:
            filesystem, path = FileSystem.from_uri(uri)
            found = filesystem.get_file_info(path)
            if found.type != FileType.File:
                raise RejectedError("file_not_found", uri=uri)
            self._refuse_large(found.size)
            storage.get_file(uri, target)
        except (FileNotFoundError, PermissionError, ArrowException) as error:
            raise RejectedError("file_unreadable", uri=uri, reason=str(error)) from error
        except OSError as error:
            raise TransientError("source_unavailable", uri=uri, reason=str(error)) from error

    def _refuse_large(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise RejectedError("file_too_large", size_bytes=size_bytes, max_bytes=self._max_bytes)
