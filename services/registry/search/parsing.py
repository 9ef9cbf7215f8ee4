"""Reads the filter language: one lexer and one parser for every search.

A filter is comparisons joined by AND. A key is bare, or in back-ticks or quotes when it holds anything but letters,
digits, dots and underscores; a quote inside of itself is doubled, as in SQL.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from services.registry.search.language import (
    SPELLINGS,
    Condition,
    Key,
    Kind,
    Number,
    Operator,
    Order,
    SearchError,
    Value,
)

MAX_CHARACTERS = 1_000_000
"""Of a filter; a list of ten thousand run ids is 360,000."""
MAX_CONDITIONS = 100
MAX_LISTED = 10_000
"""Values of all lists of a filter together; SQLite takes 32,766 in a statement."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
      | (?P<word>[^\W\d][\w.]*)
      | (?P<single>'[^']*(?:''[^']*)*')
      | (?P<double>"[^"]*(?:""[^"]*)*")
      | (?P<ticked>`[^`]*(?:``[^`]*)*`)
      | (?P<operator>[<>=!]+)
      | (?P<mark>[(),.])
    )""",
    re.VERBOSE,
)
_BIGGEST = 2**63 - 1


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    def says(self, word: str) -> bool:
        return self.kind in {"word", "operator", "mark"} and self.text.upper() == word

    @property
    def quoted(self) -> bool:
        return self.kind in {"single", "double", "ticked"}

    @property
    def content(self) -> str:
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote) if self.quoted else self.text


_END = _Token("end", "")


def read_filter(text: str) -> tuple[Condition, ...]:
    """Read a filter; an empty one has no conditions.

    Raises:
        SearchError: It is not one, or larger than is answered.
    """
    if len(text) > MAX_CHARACTERS:
        raise SearchError(f"Invalid filter: longer than {MAX_CHARACTERS} characters.")
    reader = _Reader(text)
    conditions: list[Condition] = []
    while not reader.ended:
        if conditions:
            reader.expect_and()
        conditions.append(reader.condition())
        if len(conditions) > MAX_CONDITIONS:
            raise SearchError(f"Invalid filter: more than {MAX_CONDITIONS} conditions.")
    if sum(len(condition.value) for condition in conditions if isinstance(condition.value, tuple)) > MAX_LISTED:
        raise SearchError(f"Invalid filter: more than {MAX_LISTED} listed values.")
    return tuple(conditions)


def read_order(text: str) -> Order:
    """Read one clause of an order: a key, and ASC or DESC.

    Raises:
        SearchError: It is not one.
    """
    reader = _Reader(text, f"Invalid order_by clause '{text}'. Could not be parsed.")
    key = reader.key()
    ascending = not reader.takes("DESC")
    if ascending:
        reader.takes("ASC")
    if not reader.ended:
        raise SearchError(f"Invalid ordering key in order_by clause '{text}'.")
    return Order(key, ascending)


class _Reader:
    """Goes through the tokens of a text."""

    def __init__(self, text: str, fault: str = "") -> None:
        self._fault = fault
        self._tokens = self._split(text)
        self._next = next(self._tokens, _END)

    def _split(self, text: str) -> Iterator[_Token]:
        if "\0" in text:
            self._refuse("a NUL character")
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if not found:
                self._refuse(repr(text[at:].strip()[:40]))
            yield _Token(found.lastgroup or "", found[found.lastgroup or 0])
            at = found.end()

    @property
    def ended(self) -> bool:
        return self._next is _END

    def takes(self, word: str) -> bool:
        """Take the next token if it is this word or mark."""
        if not self._next.says(word):
            return False
        self._take()
        return True

    def expect_and(self) -> None:
        if not self.takes("AND") or self.ended:
            self._refuse(f"'{self._next.text}'" if not self.ended else "nothing after AND")

    def condition(self) -> Condition:
        key = self.key()
        operator = self._operator()
        return Condition(key, operator, self._value(operator))

    def key(self) -> Key:
        first = self._take()
        if first.kind != "word" and not first.quoted:
            self._refuse(f"'{first.text}'")
        kind, dot, name = first.text.partition(".") if first.kind == "word" else (first.content, "", "")
        if name:
            return self._key(kind, name)
        if not dot and not self.takes("."):
            return self._key(Kind.ATTRIBUTE, kind)
        rest = self._take()
        if rest.kind != "word" and not rest.quoted:
            self._refuse(f"'{first.text}{rest.text}'")
        return self._key(kind, rest.content)

    def _key(self, kind: str, name: str) -> Key:
        if kind not in SPELLINGS:
            raise SearchError(f"Invalid entity type '{kind}'. Valid values are {[str(kind) for kind in Kind]}")
        return Key(SPELLINGS[kind], name)

    def _operator(self) -> Operator:
        token = self._take()
        word = token.text.upper()
        if token.kind == "word" and word == "NOT" and self.takes("IN"):
            return Operator.NOT_IN
        if token.kind == "word" and word == "IS":
            wanted = Operator.PRESENT if self.takes("NOT") else Operator.ABSENT
            return wanted if self.takes("NULL") else self._refuse(f"'{token.text} {self._next.text}'")
        if token.kind not in {"word", "operator"} or word not in Operator.__members__.values():
            self._refuse(f"'{token.text}'" if token is not _END else "a key without comparison")
        return Operator(word)

    def _value(self, operator: Operator) -> Value:
        if operator in {Operator.ABSENT, Operator.PRESENT}:
            return None
        if operator in {Operator.IN, Operator.NOT_IN}:
            return self._list()
        token = self._take()
        if token.kind == "number":
            return _number(token.text)
        if token.kind in {"single", "double"}:
            return token.content
        raise SearchError(
            "Parameter value is either not quoted or unidentified quote types used for string value "
            f"{token.text}. Use either single or double quotes."
        )

    def _list(self) -> tuple[str, ...]:
        fault = "While parsing a list in the query, expected a non-empty list of string values, but got "
        if not self.takes("("):
            raise SearchError(f"{fault}'{self._next.text}'.")
        values: list[str] = []
        while not self.takes(")"):
            token = self._take()
            if token.kind not in {"single", "double"}:
                raise SearchError(f"{fault}ill-formed list at '{token.text}'.")
            values.append(token.content)
            if not self.takes(",") and not self._next.says(")"):
                raise SearchError(f"{fault}ill-formed list at '{self._next.text}'.")
        if not values:
            raise SearchError(f"{fault}empty list.")
        return tuple(values)

    def _take(self) -> _Token:
        token, self._next = self._next, next(self._tokens, _END)
        return token

    def _refuse(self, what: str) -> NoReturn:
        raise SearchError(self._fault or f"Invalid clause(s) in filter string: {what}")


def _number(text: str) -> Number:
    """Read a number. What is no 64-bit integer is compared as a float, which databases agree upon."""
    whole = re.fullmatch(r"[+-]?[0-9]{1,19}", text)
    return int(text) if whole and abs(int(text)) <= _BIGGEST else float(text)
