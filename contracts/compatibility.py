"""Whether a message's schema still keeps what was promised when it was published.

Allowed: a new optional field, a new alternative, a new value of an enumeration, a wider bound. Everything that
could make a message unreadable that was readable, or take away what somebody reads, is a break.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
FIXED = ("const", "format", "pattern", "multipleOf", "uniqueItems")
NESTED = ("items", "additionalProperties")


def breaks(published: Schema, proposed: Schema) -> list[str]:
    """List the promises of a published schema that a proposed one breaks, each with its place.

    Args:
        published: JSON Schema as it was committed.
        proposed: JSON Schema of the message as it is now.

    Returns:
        Nothing if whatever was readable still is, and whatever was there still is.
    """
    return list(dict.fromkeys(_Comparison(published, proposed).run()))


class _Comparison:
    """Walks both schemas side by side, through references, each pair once."""

    def __init__(self, published: Schema, proposed: Schema) -> None:
        self._published = published
        self._proposed = proposed
        self._seen: set[tuple[str, str]] = set()

    def run(self) -> Iterator[str]:
        return self._compare(self._published, self._proposed, "")

    def _compare(self, old: Any, new: Any, place: str) -> Iterator[str]:
        if isinstance(old, bool) or isinstance(new, bool):
            if old != new and new is not True:
                yield f"{place or 'message'}: allowed {old}, now {new}"
            return
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if "$ref" in old and "$ref" in new:
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolved(old, self._published), _resolved(new, self._proposed)
        yield from self._compare_values(old, new, place or "message")
        yield from self._compare_fields(old, new, place)
        yield from self._compare_alternatives(old, new, place)
        for key in NESTED:
            if key in old or key in new:
                yield from self._compare(old.get(key, True), new.get(key, True), f"{place}[]")
        yield from self._compare_tuple(old, new, place)

    def _compare_values(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        if old.get("type") != new.get("type"):
            yield f"{place}: the type was {old.get('type')}, now {new.get('type')}"
        for key in FIXED:
            if old.get(key) != new.get(key):
                yield f"{place}: {key} was {old.get(key)}, now {new.get(key)}"
        if "enum" in new and (gone := [value for value in old.get("enum", ()) if value not in new["enum"]]):
            yield f"{place}: no longer one of its values: {', '.join(map(str, gone))}"
        if "enum" in new and "enum" not in old:
            yield f"{place}: any value was allowed, now only {', '.join(map(str, new['enum']))}"
        for key in LOWER_BOUNDS:
            if key in new and (key not in old or new[key] > old[key]):
                yield f"{place}: {key} was {old.get(key)}, now {new[key]}"
        for key in UPPER_BOUNDS:
            if key in new and (key not in old or new[key] < old[key]):
                yield f"{place}: {key} was {old.get(key)}, now {new[key]}"
        # A default is what a message without the field means. Defaults of whole objects grow with their fields.
        if "default" in old and not isinstance(old["default"], dict | list) and old["default"] != new.get("default"):
            yield f"{place}: the default was {old['default']}, now {new.get('default')}"

    def _compare_fields(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
        for name in old_fields.keys() - new_fields.keys():
            yield f"{_join(place, name)}: removed"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{_join(place, name)}: newly required"
        for name in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
            yield f"{_join(place, name)}: was always there, now optional"
        for name in old_fields.keys() & new_fields.keys():
            yield from self._compare(old_fields[name], new_fields[name], _join(place, name))

    def _compare_alternatives(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        for key in ("anyOf", "oneOf"):
            left = {self._label(part, self._published): part for part in old.get(key, ())}
            right = {self._label(part, self._proposed): part for part in new.get(key, ())}
            if right and not left:
                yield f"{place or 'message'}: was one thing, now any of {', '.join(sorted(right))}"
            for label in left.keys() - right.keys():
                yield f"{place or 'message'}: no longer may be {label}"
            for label in left.keys() & right.keys():
                yield from self._compare(left[label], right[label], place)

    def _compare_tuple(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        parts, others = old.get("prefixItems", ()), new.get("prefixItems", ())
        if len(parts) != len(others):
            yield f"{place or 'message'}: had {len(parts)} places, now {len(others)}"
        for index, (part, other) in enumerate(zip(parts, others, strict=False)):
            yield from self._compare(part, other, f"{place}[{index}]")

    def _label(self, part: Schema, root: Schema) -> str:
        """Name an alternative by what tells it apart: its kind, else its title, else its type."""
        resolved = _resolved(part, root)
        kind = resolved.get("properties", {}).get("kind", {}).get("const")
        return str(kind or resolved.get("title") or resolved.get("const") or resolved.get("type") or "anything")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follow a reference; what stands beside it wins."""
    if "$ref" not in schema:
        return schema
    definition = root["$defs"][schema["$ref"].rpartition("/")[2]]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**definition, **beside}


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
