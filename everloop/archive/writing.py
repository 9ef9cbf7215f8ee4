"""Write an archive: the same contents give the same bytes."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from contracts.archive import INDEX, ArchivedFile, ArchiveIndex, VersionRecord
from contracts.model import Digest
from everloop import storage
from everloop.archive.contents import Content
from everloop.archive.errors import ArchiveError
from everloop.bundle.manifest import canonical


def write_archive(path: Path, record: VersionRecord, members: Mapping[str, Content]) -> Digest:
    """Write an archive, all or nothing.

    Members are stored as they are: what is large is compressed already, and no two versions of a compressor have to
    agree.

    Args:
        path: Where to; nothing may be there.
        record: Whose archive it is.
        members: By name.

    Returns:
        The digest of its index, which names all the others: whoever has it from a trusted hand can trust the file.

    Raises:
        ArchiveError: Something is at the path, or a file changed while it was read.
        StorageError: A member can't be read.
    """
    if path.exists():
        raise ArchiveError(f"{path} is there already")
    files = tuple(_described(name, content) for name, content in sorted(members.items()))
    index = canonical(
        ArchiveIndex(
            pipeline=record.pipeline,
            version=record.version,
            run_id=record.run_id,
            bundle_digest=record.bundle_digest,
            files=files,
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with ZipFile(partial, "w", ZIP_STORED) as archive:
            _add(archive, _described(INDEX, index), index)
            for file in files:
                _add(archive, file, members[file.path])
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return storage.digest(index)


def _described(name: str, content: Content) -> ArchivedFile:
    found, size = hashlib.sha256(), 0
    for piece in _pieces(content):
        found.update(piece)
        size += len(piece)
    return ArchivedFile(path=name, digest=f"sha256:{found.hexdigest()}", size_bytes=size)


def _add(archive: ZipFile, file: ArchivedFile, content: Content) -> None:
    info = ZipInfo(file.path, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    info.file_size = file.size_bytes
    found = hashlib.sha256()
    with archive.open(info, "w") as member:
        for piece in _pieces(content):
            found.update(piece)
            member.write(piece)
    if f"sha256:{found.hexdigest()}" != file.digest:
        raise ArchiveError(f"{file.path} changed while it was read")


def _pieces(content: Content) -> Iterable[bytes]:
    return (content,) if isinstance(content, bytes) else storage.chunks(content)
