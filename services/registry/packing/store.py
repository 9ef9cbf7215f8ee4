"""Bundles made by a process of its own, which may take what a model file makes it take, and end however it ends."""

import asyncio
import sys

from pydantic import ValidationError

from contracts.model import Uri
from contracts.packing import PackingReport, PackingSpec
from everloop import storage
from services.chassis.errors import RejectedError, TransientError
from services.chassis.logs import Log
from services.registry.models.domain import VersionEntry
from services.registry.packing.domain import ELSEWHERE, LOGGED, LONGEST_OBSTACLE, Packed

AT_ONCE = 1
"""Each opens a model file, and whoever waits for one is one person."""

log = Log(__name__)


class StoredPacking:
    """Bundles in the artifact store."""

    def __init__(self, store_uri: Uri, artifacts_uri: Uri, *, timeout_s: float) -> None:
        self._bundles_uri = storage.join(store_uri, LOGGED)
        self._artifacts_uri = artifacts_uri
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(AT_ONCE)

    async def ready(self, version: VersionEntry, path: str | None) -> Packed:
        """Verify a version's bundle, or make it one."""
        if version.bundle_uri and version.bundle_digest:
            await asyncio.to_thread(_verify, version.bundle_uri, version.bundle_digest)
            return Packed(version.bundle_uri, version.bundle_digest)
        if path is None:
            return Packed(obstacle=ELSEWHERE)
        spec = PackingSpec(
            files_uri=storage.join(self._artifacts_uri, path),
            bundles_uri=self._bundles_uri,
            source=version.source,
            run_id=version.run_id,
            model_id=version.model_id,
        )
        async with self._places:
            return await self._pack(spec)

    async def _pack(self, spec: PackingSpec) -> Packed:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "everloop.bundle.packing"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                report, complaints = await process.communicate(spec.model_dump_json().encode())
        except TimeoutError:
            return Packed(obstacle=f"it could not be opened and tried within {self._timeout_s:g} s")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            return _failed(process.returncode, complaints.decode(errors="replace"), spec)
        try:
            found = PackingReport.model_validate_json(report)
        except ValidationError as error:
            return _failed(0, str(error), spec)
        obstacle = found.obstacle[:LONGEST_OBSTACLE] if found.obstacle else None
        return Packed(found.bundle_uri, found.bundle_digest, obstacle)


def _failed(status: int, complaints: str, spec: PackingSpec) -> Packed:
    last = (complaints.strip().splitlines() or [""])[-1]
    if "StorageError" in last:
        raise TransientError("store_unreadable", detail=last)
    log.error("model could not be packed", files_uri=spec.files_uri, status=status, detail=complaints[-4000:])
    return Packed(obstacle=f"the process that opened it ended with status {status}; the registry's log tells more")


def _verify(uri: Uri, digest: str) -> None:
    from everloop.bundle.manifest import BundleError, verify_contents

    try:
        verify_contents(uri, digest)
    except BundleError as error:
        raise RejectedError(f"bundle_{error.slug}", detail=error.detail) from error
    except storage.StorageError as error:
        raise TransientError("store_unreadable", detail=error) from error
