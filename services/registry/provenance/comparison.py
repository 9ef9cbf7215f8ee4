"""What differs between two versions of a model. Pure; what is equal is left out."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from contracts.bundle import Environment
from contracts.registry import GateVerdict
from services.registry.domain import ModelVersion

LONGEST_FILE_LINES = 20_000
"""Longer files are said to differ, not how: finding out takes the square of their length."""


@dataclass(frozen=True, slots=True)
class Side:
    """A version with those of its files that a comparison reads."""

    version: ModelVersion
    definition: Mapping[str, JsonValue]
    environment: Environment
    code: Mapping[str, bytes]
    """Files of the snapshot by path: ``pipeline/…`` is the author's, ``platform/…`` what ran it."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not the same; unset on a side that does not have it."""

    name: str
    before: JsonValue
    after: JsonValue


class FileFate(StrEnum):
    """What became of a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of the code that is not the same, and how, as a unified diff; empty where it is no text, or too long."""

    path: str
    fate: FileFate
    diff: str


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Everything that differs from one version to another."""

    model: str
    from_version: int
    to_version: int
    same_model_file: bool
    parameters: tuple[Change, ...]
    metrics: tuple[Change, ...]
    data: tuple[Change, ...]
    definition: tuple[Change, ...]
    environment: tuple[Change, ...]
    gates: tuple[Change, ...]
    source: tuple[Change, ...]
    """Commit, whether it was changed, and digest of the code."""
    code: tuple[FileChange, ...]


def compare(before: Side, after: Side) -> VersionDiff:
    """Say what differs."""
    one, other = before.version, after.version
    return VersionDiff(
        model=one.pipeline,
        from_version=one.number,
        to_version=other.number,
        same_model_file=one.report.model_digest == other.report.model_digest,
        parameters=_changes(_parameters(one), _parameters(other)),
        metrics=_changes(one.report.metrics, other.report.metrics),
        data=_changes(one.lineage.dataset.model_dump(), other.lineage.dataset.model_dump()),
        definition=_changes(_flat(before.definition), _flat(after.definition)),
        environment=_changes(_software(before.environment), _software(after.environment)),
        gates=_changes(_gates(one.verdicts), _gates(other.verdicts)),
        source=_changes(_source(one), _source(other)),
        code=_files(before.code, after.code),
    )


def _changes(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> tuple[Change, ...]:
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _parameters(version: ModelVersion) -> dict[str, JsonValue]:
    return {**version.lineage.parameters, "seed": version.lineage.seed}


def _software(environment: Environment) -> dict[str, JsonValue]:
    return {"python": environment.python, "platform": environment.platform, **environment.packages}


def _source(version: ModelVersion) -> dict[str, JsonValue]:
    lineage = version.lineage
    return {"commit": lineage.commit, "modified": lineage.modified, "digest": lineage.code_digest}


def _gates(verdicts: tuple[GateVerdict, ...]) -> dict[str, JsonValue]:
    """Name each verdict by its gate; a gate with other bounds is another gate."""
    return {
        " ".join(f"{value}" for value in verdict.gate.model_dump(mode="json", exclude_none=True).values()): (
            f"{'passed' if verdict.passed else 'failed'}: {verdict.explanation}"
        )
        for verdict in verdicts
    }


def _flat(document: JsonValue | Mapping[str, JsonValue], path: str = "") -> dict[str, JsonValue]:
    """Name every leaf of a document by its way from the root; entries with a name are known by it."""
    match document:
        case Mapping():
            parts = {f"{path}.{key}".removeprefix("."): value for key, value in document.items()}
        case list() if document and all(isinstance(entry, dict) and "name" in entry for entry in document):
            parts = {f"{path}.{entry['name']}": entry for entry in document if isinstance(entry, dict)}
        case _:
            return {path: document}
    return {name: leaf for key, value in parts.items() for name, leaf in _flat(value, key).items()}


def _files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[FileChange, ...]:
    return tuple(
        FileChange(path, _fate(path, before, after), _diff(path, before.get(path, b""), after.get(path, b"")))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def _fate(path: str, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> FileFate:
    if path not in before:
        return FileFate.ADDED
    return FileFate.CHANGED if path in after else FileFate.REMOVED


def _diff(path: str, before: bytes, after: bytes) -> str:
    try:
        one, other = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return ""
    if max(len(one), len(other)) > LONGEST_FILE_LINES:
        return ""
    return "\n".join(difflib.unified_diff(one, other, f"a/{path}", f"b/{path}", lineterm=""))
