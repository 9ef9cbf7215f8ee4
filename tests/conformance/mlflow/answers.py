"""Answers with what differs between any two servers taken out: ids, times, and the words of errors."""

import re
import time
from dataclasses import asdict, dataclass
from typing import Any

DAY_MS = 24 * 3600 * 1000
HEX = re.compile(r"\b(m-)?[0-9a-f]{32}\b")
PLACEHOLDER = re.compile(r"<(\w+)>")
UNORDERED = ("key", "alias", "name")
"""Lists of objects with these, outside of searches, come in any order."""


class Ids:
    """The ids of one playing. Experiments' are small numbers, recognised only where an experiment's id stands."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def keep(self, name: str, value: str) -> None:
        """Remember an id under a name."""
        self._values[name] = value

    def fill(self, given: Any) -> Any:
        """Put ids where their names stand."""
        match given:
            case str():
                return PLACEHOLDER.sub(lambda found: self._values.get(found[1], found[0]), given)
            case dict():
                return {key: self.fill(value) for key, value in given.items()}
            case list():
                return [self.fill(value) for value in given]
            case _:
                return given

    def name(self, key: str, value: str) -> str:
        """Put names where ids stand."""
        for name, id_ in self._values.items():
            if len(id_) >= 8:
                value = value.replace(id_, f"<{name}>")
            elif key == "experiment_id" and value == id_:
                value = f"<{name}>"
            else:
                value = re.sub(rf"(?<=^mlflow-artifacts:/){re.escape(id_)}(?=/|$)", f"<{name}>", value)
        return HEX.sub("<id>", value)


@dataclass(frozen=True)
class Answer:
    """A status and what was said, comparable between servers.

    What is left unset in protobuf's JSON and what is empty are the same. An error is its code: its words are the
    server's own.
    """

    status: int
    content: Any

    @classmethod
    def of(cls, status: int, content: Any, ids: Ids) -> "Answer":
        """Normalise an answer."""
        if isinstance(content, dict) and "error_code" in content:
            return cls(status, {"error_code": content["error_code"]})
        return cls(status, _normal(content, "", ids))

    def to_json(self) -> dict[str, Any]:
        """Write it down."""
        return asdict(self)


def _is_unset(value: Any) -> bool:
    return value in ("", [], {}) or (value == 0 and type(value) is int)


def _normal(value: Any, key: str, ids: Ids) -> Any:
    match value:
        case dict():
            normal = {name: _normal(inner, name, ids) for name, inner in sorted(value.items())}
            return {name: inner for name, inner in normal.items() if not _is_unset(inner)}
        case list():
            items = [_normal(inner, key, ids) for inner in value]
            if all(isinstance(item, dict) and item.keys() & set(UNORDERED[:2]) for item in items):
                items.sort(key=lambda item: [str(item.get(name, 0)) for name in (*UNORDERED, "step", "value")])
            return items
        case str() if key == "next_page_token":
            return "<token>"
        case str():
            return ids.name(key, value)
        case int() if not isinstance(value, bool) and abs(value - time.time() * 1000) < DAY_MS:
            return "<time>"
        case _:
            return value
