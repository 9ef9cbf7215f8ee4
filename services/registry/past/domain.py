"""What the registry's state comes to, as numbers that can be compared. No I/O."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from contracts.model import Digest


@dataclass(frozen=True, slots=True)
class Part:
    """One table: how many rows it has, and a digest that tells any two sets of rows apart, whatever their order."""

    name: str
    rows: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class StateDigest:
    """The whole state: equal digests, equal registries."""

    digest: Digest
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "StateDigest":
        """Sum parts up."""
        kept = tuple(sorted(parts, key=lambda part: part.name))
        whole = json.dumps([[part.name, part.rows, part.digest] for part in kept])
        return cls(_named(hashlib.sha256(whole.encode())), kept)

    def differing(self, other: "StateDigest") -> list[str]:
        """Name the parts that are not the same in both."""
        return sorted({part.name for part in {*self.parts} ^ {*other.parts}})


def digest_of_row(row: Mapping[str, object]) -> bytes:
    """Digest one row by what it says, not by how a database writes it."""
    return hashlib.sha256(orjson.dumps(row, _plain, orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)).digest()


def part_of(name: str, rows: Iterable[bytes]) -> Part:
    """Sum up the digests of a table's rows."""
    ordered = sorted(rows)
    return Part(name, len(ordered), _named(hashlib.sha256(b"".join(ordered))))


def _named(found: "hashlib._Hash") -> Digest:
    return f"sha256:{found.hexdigest()}"


def _plain(value: object) -> str:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case bytes():
            return value.hex()
    raise TypeError(f"{type(value).__name__} has no canonical form")
