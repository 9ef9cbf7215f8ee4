"""Names of models: ``flight_delays@champion``, ``flight_delays/3``, or where a bundle lies."""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from everloop.models.errors import ModelNameError


class Alias(StrEnum):
    """A name of the registry that moves from version to version."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    PREVIOUS = "previous"


_NAME = re.compile(r"(?P<model>[a-z][a-z0-9_]*)(?:@(?P<alias>[a-z]+)|/(?P<version>[1-9][0-9]*))?")
_HOW = "write model@champion, model@challenger, model@previous, model/3, or a bundle's /path or URI"


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model and which version of it: a number, or what an alias points at."""

    model: str
    which: Alias | int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``model@alias``, ``model/version`` or ``model`` alone, which is its champion.

        Raises:
            ModelNameError: It is none of these.
        """
        found = _NAME.fullmatch(text)
        if not found:
            raise ModelNameError(f"{text!r} names no model; {_HOW}")
        if found["version"]:
            return cls(found["model"], int(found["version"]))
        try:
            return cls(found["model"], Alias(found["alias"] or Alias.CHAMPION))
        except ValueError:
            raise ModelNameError(f"{found['alias']!r} is no alias; {_HOW}") from None

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"{self.model}@{self.which}" if isinstance(self.which, Alias) else f"{self.model}/{self.which}"


def bundle_uri(text: str | os.PathLike[str]) -> str | None:
    """Read where a bundle lies; None if the text is a model's name.

    A path is absolute, or begins with ``.`` or ``~``: anything else could be a name.
    """
    if isinstance(text, os.PathLike) or text.startswith((".", "~")):
        return str(Path(text).expanduser().absolute())
    return text if text.startswith("/") or "://" in text else None
