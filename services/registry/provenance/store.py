"""The ports in SQL and in the artifact store."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from pydantic import ValidationError
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.archive import RECORD, VersionRecord
from contracts.bundle import BundleFile, Environment
from everloop import storage
from everloop.bundle.code import read_snapshot
from everloop.bundle.manifest import BundleError, read_file
from services.chassis.errors import RejectedError, TransientError
from services.registry.domain import ModelVersion, VersionState
from services.registry.models.labels import OWN
from services.registry.models.rows import VersionTagRow
from services.registry.provenance.comparison import Side
from services.registry.provenance.origins import Mention, Origin
from services.registry.rows import VersionRow

_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_LABELS = {
    f"{OWN}dataset_digest": Origin.DATASET,
    f"{OWN}code_digest": Origin.CODE,
    f"{OWN}environment_digest": Origin.ENVIRONMENT,
    f"{OWN}bundle_digest": Origin.BUNDLE,
    f"{OWN}commit": Origin.COMMIT,
}

_KEPT = (col(VersionRow.deleted_at).is_(None), col(VersionRow.run_id).is_not(None))


class SqlOrigins:
    """What versions were made of, by the labels they carry."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def mentions(self, identity: str, *, limit: int) -> Sequence[Mention]:
        """Find the versions that came from something, oldest first."""
        if run_id := _run_id(identity):
            made = select(VersionRow.pipeline, VersionRow.number).where(VersionRow.run_id == run_id, *_KEPT)
            return [Mention(Origin.RUN, *found) for found in await self._session.exec(made)]
        key, value = col(VersionTagRow.key), col(VersionTagRow.value)
        named = and_(key.in_(_LABELS), value == identity)
        if _COMMIT.fullmatch(identity):
            named = or_(named, and_(key == f"{OWN}commit", value.startswith(identity)))
        version = and_(
            col(VersionRow.pipeline) == VersionTagRow.pipeline, col(VersionRow.number) == VersionTagRow.number
        )
        found = (
            select(VersionTagRow)
            .join(VersionRow, version)
            .where(named, *_KEPT)
            .order_by(col(VersionRow.registered_at), col(VersionRow.pipeline), col(VersionRow.number))
            .limit(limit)
        )
        return [Mention(_LABELS[row.key], row.pipeline, row.number) for row in await self._session.exec(found)]


class StoredSides:
    """Files of versions where their bundles are."""

    async def of(self, version: ModelVersion) -> Side:
        """Read what a comparison needs of a version."""
        return await asyncio.to_thread(_side, version)


class StoredPapers:
    """Records where imports put them: beside the bundle."""

    async def record_of(self, version: ModelVersion) -> VersionRecord | None:
        """Read what the registry knew that a version was imported from."""
        return await asyncio.to_thread(_record, version) if version.state is VersionState.IMPORTED else None


def _record(version: ModelVersion) -> VersionRecord:
    with _explained(version):
        uri = storage.join(version.bundle_uri.rpartition("/")[0], RECORD)
        record = VersionRecord.model_validate_json(storage.read_bytes(uri))
        if record.bundle_digest != version.bundle_digest:
            raise RejectedError("record_of_another", model=record.pipeline, version=record.version)
        return record


def _side(version: ModelVersion) -> Side:
    def read(file: BundleFile) -> bytes:
        return read_file(version.bundle_uri, version.manifest, file)

    with _explained(version):
        return Side(
            version=version,
            definition=json.loads(read(BundleFile.DEFINITION)),
            environment=Environment.model_validate_json(read(BundleFile.ENVIRONMENT)),
            code=read_snapshot(read(BundleFile.CODE)),
        )


@contextmanager
def _explained(version: ModelVersion) -> Iterator[None]:
    about = {"model": version.pipeline, "version": version.number}
    try:
        yield
    except BundleError as error:
        raise RejectedError(f"bundle_{error.slug}", detail=error.detail, **about) from error
    except storage.StorageError as error:
        raise TransientError("store_unreadable", detail=error, **about) from error
    except (ValidationError, ValueError) as error:
        raise RejectedError("bundle_unreadable", detail=error, **about) from error


def _run_id(identity: str) -> UUID | None:
    try:
        return UUID(identity)
    except ValueError:
        return None
