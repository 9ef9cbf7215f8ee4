"""Bundles kept on this machine, by their digest, and what names meant when they were last asked for.

Every change is a rename, so any number of processes share the directory without a lock, and a process killed in the
middle leaves nothing but a hidden directory that the next one clears away. Nobody trusts what lies here: whoever
loads a bundle holds every file against its digest.

::

    bundles/<64 hex digits>/…                  a bundle
    names/<registry>/<model>@champion.json     what a name meant
"""

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from contracts.bundle import MANIFEST
from contracts.model import Digest, Uri
from everloop import storage
from everloop.bundle.manifest import read_contents, read_files
from everloop.models.errors import ModelUnavailableError
from everloop.models.names import ModelName
from everloop.models.registry import Registry, Resolved

log = logging.getLogger(__name__)

PLACE = "EVERLOOP_CACHE"
LIMIT = "EVERLOOP_CACHE_MAX_BYTES"
DEFAULT_LIMIT_BYTES = 2 * 1024**3
ABANDONED_AFTER_S = 3600


class Cache:
    """One directory of bundles and names."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self.root = root
        self._limit_bytes = limit_bytes
        self._bundles = root / "bundles"

    def place(self, digest: Digest) -> Path:
        """Say where a bundle lies, or would."""
        return self._bundles / digest.removeprefix("sha256:")

    def holds(self, digest: Digest) -> bool:
        """Tell whether a bundle is here; its files may still be others than they should."""
        return self.place(digest).is_dir()

    @contextmanager
    def fetching(self, uri: Uri, digest: Digest) -> Iterator[Path]:
        """Copy a bundle, every file verified, and keep it if the block does not fail.

        The block has the copy for itself; what lies under the digest may be taken away by another process at any time.

        Raises:
            BundleError: What lies there is another bundle, or damaged.
            ModelUnavailableError: The cache can't be written.
            StorageError: It can't be read.
        """
        partial = self._bundles.absolute() / f".{uuid4().hex}"
        try:
            with self._writing():
                partial.mkdir(mode=0o700, parents=True)
            files = read_files(uri, read_contents(uri, digest))
            files[MANIFEST] = storage.read_bytes(storage.join(uri, MANIFEST))
            with self._writing():
                for name, content in files.items():
                    (partial / name).write_bytes(content)
            yield partial
            with self._writing():
                self._take_in(partial, self.place(digest))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._make_room(keep=self.place(digest))

    def touch(self, digest: Digest) -> None:
        """Note that a bundle was used now; the one used longest ago goes first."""
        try:
            os.utime(self.place(digest))
        except OSError:
            return  # Read-only, or pruned meanwhile: it is loaded all the same.

    def discard(self, digest: Digest) -> None:
        """Take a damaged bundle away."""
        self._remove(self.place(digest))

    def remember(self, registry: Registry, name: ModelName, resolved: Resolved) -> None:
        """Note what a name means, where that can be written: a cache may come with a container, read-only."""
        if self.recall(registry, name) == resolved:
            return
        try:
            storage.write_bytes(str(self._record(registry, name)), resolved.model_dump_json(indent=2).encode())
        except OSError as error:
            log.warning("what %s means could not be noted: %s", name, error)

    def recall(self, registry: Registry, name: ModelName) -> Resolved | None:
        """Tell what a name last meant to this registry; None if it was never asked, or the bundle is gone."""
        try:
            resolved = Resolved.model_validate_json(self._record(registry, name).read_bytes())
        except (OSError, ValidationError):
            return None
        return resolved if resolved.bundle_digest and self.holds(resolved.bundle_digest) else None

    def _record(self, registry: Registry, name: ModelName) -> Path:
        folder = hashlib.sha256(registry.identity.encode()).hexdigest()[:16]
        return self.root.absolute() / "names" / folder / f"{str(name).replace('/', '~')}.json"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ModelUnavailableError(f"the cache {self.root} can't be written: {error}; set {PLACE}") from error

    def _take_in(self, whole: Path, place: Path) -> None:
        try:
            whole.rename(place)
        except OSError:
            # Another process was faster; it has verified the same digests.
            if not place.is_dir():
                raise

    def _make_room(self, *, keep: Path) -> None:
        self._clear_abandoned()
        held = sorted(self._held(), key=lambda bundle: bundle[0])
        total = sum(size for _, size, _ in held)
        for _, size, place in held:
            if total <= self._limit_bytes:
                return
            if place != keep:
                self._remove(place)
                total -= size

    def _held(self) -> Iterable[tuple[float, int, Path]]:
        """Give when each bundle was last used, its bytes, and where it is."""
        for place in self._bundles.iterdir():
            if not place.name.startswith("."):
                try:
                    yield place.stat().st_mtime, sum(file.stat().st_size for file in place.iterdir()), place
                except OSError:
                    continue  # Another process removed it.

    def _clear_abandoned(self) -> None:
        for place in self._bundles.glob(".*"):
            try:
                if time.time() - place.stat().st_mtime > ABANDONED_AFTER_S:
                    shutil.rmtree(place, ignore_errors=True)
            except OSError:
                continue

    def _remove(self, place: Path) -> None:
        # Renamed first, so that nobody finds half of it.
        gone = self._bundles / f".{uuid4().hex}"
        try:
            place.rename(gone)
        except OSError:
            return
        shutil.rmtree(gone, ignore_errors=True)


def find_cache() -> Cache:
    """Take the directory that ``EVERLOOP_CACHE`` names, else ``everloop`` in the person's cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    root = Path(os.environ.get(PLACE) or f"{home}/everloop").expanduser()
    return Cache(root, int(os.environ.get(LIMIT) or DEFAULT_LIMIT_BYTES))
