"""Read an archive that came from anywhere: nothing of it is believed before every digest agrees."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from pydantic import ValidationError

from contracts.archive import BUNDLE, DATASET, INDEX, RECORD, REPORT, SPEC, ArchivedFile, ArchiveIndex, VersionRecord
from contracts.bundle import MANIFEST, BundleFile, Environment, Manifest
from contracts.envelope import describe
from contracts.jobs import TrainingReport
from contracts.model import Contract, Digest
from everloop import storage
from everloop.archive.errors import ArchiveError

C = TypeVar("C", bound=Contract)
ENCRYPTED = 0x1
"""A member's flag."""
MOST_MEMBERS = 200_000
LARGEST_DOCUMENT_BYTES = 64 << 20
"""Of what is read into memory whole; everything else streams."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened archive, of which ``verify`` has not been asked yet: only its index has been read."""

    path: Path
    index: ArchiveIndex
    digest: Digest
    _zip: ZipFile

    def chunks(self, file: ArchivedFile) -> Iterator[bytes]:
        """Read a member piece by piece.

        Raises:
            ArchiveError: It is not what the index says; raised after the last piece.
        """
        found = hashlib.sha256()
        try:
            with self._zip.open(file.path) as member:
                while chunk := member.read(storage.CHUNK_BYTES):
                    found.update(chunk)
                    yield chunk
        except (BadZipFile, EOFError, OSError) as error:
            raise ArchiveError(f"{file.path} of {self.path} can't be read: {error}") from error
        if (digest := f"sha256:{found.hexdigest()}") != file.digest:
            raise ArchiveError(f"{file.path} of {self.path} is {digest}, expected {file.digest}")

    def document(self, path: str, kind: type[C]) -> C:
        """Read a member that is a document.

        Raises:
            ArchiveError: It is missing, too large, or not what it should be.
        """
        return _parsed(self.path, path, self._small(path), kind)

    @property
    def record(self) -> VersionRecord:
        """What the registry knew from which it comes. Raises as ``document`` does."""
        return self.document(RECORD, VersionRecord)

    @property
    def environment(self) -> Environment:
        """The software the version was made with. Raises as ``document`` does."""
        return self.document(f"{BUNDLE}/{BundleFile.ENVIRONMENT}", Environment)

    def verify(self) -> Iterator[ArchivedFile]:
        """Hold every member against its digest, then the papers against each other; gives each member as it is done.

        Raises:
            ArchiveError: A member is another than the index says, or they do not tell one story.
        """
        for file in self.index.files:
            for _ in self.chunks(file):
                pass
            yield file
        self._check_story()

    def _check_story(self) -> None:
        index, report, record = self.index, self.document(REPORT, TrainingReport), self.record
        manifest = self.document(f"{BUNDLE}/{MANIFEST}", Manifest)
        listed = {file.path: file.digest for file in index.files}
        for what, said, found in (
            ("the bundle's digest", index.bundle_digest, listed[f"{BUNDLE}/{MANIFEST}"]),
            ("the run of the bundle", index.run_id, manifest.lineage.run_id),
            ("the pipeline of the bundle", index.pipeline, manifest.pipeline),
            ("the bundle of the report", index.bundle_digest, report.bundle_digest),
            ("the bundle of the record", index.bundle_digest, record.bundle_digest),
            ("the version of the record", index.version, record.version),
            *(
                (f"{BUNDLE}/{entry.path}", entry.digest, listed.get(f"{BUNDLE}/{entry.path}"))
                for entry in manifest.files
            ),
        ):
            if said != found:
                raise ArchiveError(f"{self.path} contradicts itself: {what} is {found}, expected {said}")
        commit = f"{DATASET}/_delta_log/{manifest.lineage.dataset.delta_version:020}.json"
        for path in (SPEC, commit):
            if path not in listed:
                raise ArchiveError(f"{self.path} lacks {path}")

    def _small(self, path: str) -> bytes:
        file = next((file for file in self.index.files if file.path == path), None)
        if file is None:
            raise ArchiveError(f"{self.path} lacks {path}")
        if file.size_bytes > LARGEST_DOCUMENT_BYTES:
            raise ArchiveError(f"{path} of {self.path} has {file.size_bytes} bytes; {LARGEST_DOCUMENT_BYTES} fit")
        return b"".join(self.chunks(file))


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive and read its index.

    Members that are compressed, encrypted, doubled, unlisted or missing are refused, and names that could lead outside
    of a directory. As members are stored as they are, no archive can unpack to more than it has bytes itself.

    Raises:
        ArchiveError: It is no archive of ours, or could do harm.
    """
    try:
        with ZipFile(path) as archive:
            content = _index_bytes(path, archive)
            index = _parsed(path, INDEX, content, ArchiveIndex)
            _check_members(path, archive, index)
            yield Archive(path, index, storage.digest(content), archive)
    except FileNotFoundError:
        raise ArchiveError(f"nothing is at {path}") from None
    except (BadZipFile, NotImplementedError) as error:
        raise ArchiveError(f"{path} is no archive: {error}") from error


def _index_bytes(path: Path, archive: ZipFile) -> bytes:
    if len(archive.infolist()) > MOST_MEMBERS:
        raise ArchiveError(f"{path} has {len(archive.infolist())} members; {MOST_MEMBERS} fit")
    try:
        info = archive.getinfo(INDEX)
    except KeyError:
        raise ArchiveError(f"{path} has no {INDEX}") from None
    if info.compress_type != ZIP_STORED or info.file_size > LARGEST_DOCUMENT_BYTES:
        raise ArchiveError(f"{INDEX} of {path} is compressed or too large")
    return archive.read(info)


def _check_members(path: Path, archive: ZipFile, index: ArchiveIndex) -> None:
    sizes = {file.path: file.size_bytes for file in index.files}
    for names in ([INDEX, *(file.path for file in index.files)], archive.namelist()):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ArchiveError(f"{path} names {twice[0]!r} twice")
    members = {info.filename: info for info in archive.infolist() if info.filename != INDEX}
    if strangers := sorted(members.keys() - sizes.keys()):
        raise ArchiveError(f"{path} holds {strangers[0]!r}, which its index does not name")
    if missing := sorted(sizes.keys() - members.keys()):
        raise ArchiveError(f"{path} lacks {missing[0]}")
    for name, info in members.items():
        if info.compress_type != ZIP_STORED or info.flag_bits & ENCRYPTED:
            raise ArchiveError(f"{name} of {path} is compressed or encrypted")
        if info.file_size != sizes[name]:
            raise ArchiveError(f"{name} of {path} has {info.file_size} bytes, not {sizes[name]}")
    if sum(sizes.values()) > path.stat().st_size:
        raise ArchiveError(f"{path} says it holds more bytes than it has")


def _parsed(path: Path, name: str, content: bytes, kind: type[C]) -> C:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise ArchiveError(f"{name} of {path} is not what it should be: {describe(error)}") from error
