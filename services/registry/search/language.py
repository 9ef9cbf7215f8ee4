"""What a search says once its text is read: conditions that must all hold, and an order."""

from dataclasses import dataclass
from enum import StrEnum

Number = int | float
Value = str | Number | tuple[str, ...] | None
"""What is compared with; nothing for IS NULL."""


class SearchError(ValueError):
    """What is asked cannot be answered; says why, in a sentence for whoever asked."""


class Kind(StrEnum):
    """What a key is looked up among."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAMETER = "parameter"
    TAG = "tag"
    DATASET = "dataset"


SPELLINGS = {
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), Kind.ATTRIBUTE),
    **dict.fromkeys(("metric", "metrics"), Kind.METRIC),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), Kind.PARAMETER),
    **dict.fromkeys(("tag", "tags"), Kind.TAG),
    **dict.fromkeys(("dataset", "datasets"), Kind.DATASET),
}
"""How each kind may be written; an attribute also without any."""


class Operator(StrEnum):
    """How a value is compared."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    ABSENT = "IS NULL"
    PRESENT = "IS NOT NULL"


TEXT = frozenset({Operator.EQUAL, Operator.UNEQUAL, Operator.LIKE, Operator.ILIKE})
LISTED = frozenset({Operator.IN, Operator.NOT_IN})
NULL = frozenset({Operator.ABSENT, Operator.PRESENT})
NUMBER = frozenset(
    {Operator.EQUAL, Operator.UNEQUAL, Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST}
)


@dataclass(frozen=True)
class Key:
    """What a condition or an order is about: ``metric`` and ``loss``, ``attribute`` and ``start_time``."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """Write it as the language does, quoted so that any name can be read back."""
        return f"{self.kind}.{_enclosed(self.name, '`')}"


@dataclass(frozen=True)
class Condition:
    """One comparison."""

    key: Key
    operator: Operator
    value: Value = None

    def __str__(self) -> str:
        """Write it as the language does."""
        match self.value:
            case None:
                return f"{self.key} {self.operator}"
            case str():
                return f"{self.key} {self.operator} {_enclosed(self.value)}"
            case tuple():
                return f"{self.key} {self.operator} ({', '.join(map(_enclosed, self.value))})"
            case _:
                return f"{self.key} {self.operator} {self.value}"


@dataclass(frozen=True)
class Order:
    """One key to sort by. What has no value comes last either way."""

    key: Key
    ascending: bool = True

    def __str__(self) -> str:
        """Write it as the language does."""
        return f"{self.key} {'ASC' if self.ascending else 'DESC'}"


def by(name: str, *, ascending: bool = True) -> Order:
    """Sort by an attribute."""
    return Order(Key(Kind.ATTRIBUTE, name), ascending)


def _enclosed(text: str, quote: str = "'") -> str:
    return f"{quote}{text.replace(quote, quote * 2)}{quote}"
