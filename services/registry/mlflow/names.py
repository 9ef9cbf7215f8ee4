"""Names, versions, aliases and tags as MLflow's clients may write them."""

import posixpath
import re
from collections.abc import Iterable

from services.registry.mlflow.calls import Arguments
from services.registry.mlflow.errors import Code, MlflowError, refuse_value
from services.registry.models.labels import OWN

LONGEST_NAME = 256
LONGEST_ALIAS = 255
LONGEST_KEY = 250
LONGEST_VALUE = 100_000
LATEST = "latest"
_ALIAS = re.compile(r"[\w-]+")
_VERSION_ALIAS = re.compile(r"[vV]\d+")


class Tag(Arguments):
    """A tag of a model or a version."""

    key: str
    value: str = ""


def model_name(name: str, parameter: str = "name") -> str:
    """Check a model's name."""
    if not name.strip():
        refuse_value(f"Missing value for required parameter '{parameter}'.")
    if len(name) > LONGEST_NAME:
        refuse_value(f"A model's name has at most {LONGEST_NAME} characters.")
    if "/" in name or ":" in name:
        refuse_value(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    if posixpath.normpath(name) != name or name.startswith(".."):
        refuse_value(f"Invalid model name '{name}': as the name of a file it would be another.")
    return name


def version_number(version: str) -> int:
    """Check a version's number."""
    try:
        return int(version)
    except ValueError:
        refuse_value(f"Parameter 'version' must be an integer, got '{version}'.")


def alias_name(alias: str) -> str:
    """Check an alias that is looked for."""
    if not alias:
        refuse_value("Registered model alias name cannot be empty.")
    if not _ALIAS.fullmatch(alias):
        refuse_value(f"Invalid alias name: '{alias}'. Only letters, digits, underscores and dashes may be in it.")
    if len(alias) > LONGEST_ALIAS:
        refuse_value(f"An alias has at most {LONGEST_ALIAS} characters.")
    return alias


def new_alias_name(alias: str) -> str:
    """Check an alias that is to be set: some would be taken for versions."""
    if alias_name(alias).lower() == LATEST:
        refuse_value(f"'{LATEST}' alias name (case insensitive) is reserved.")
    if _VERSION_ALIAS.fullmatch(alias):
        refuse_value(f"Version alias name '{alias}' is reserved.")
    return alias


def tags_by_key(tags: Iterable[Tag]) -> dict[str, str]:
    """Check tags; of those with the same key the last counts."""
    return {tag_key(tag.key): tag_value(tag.value) for tag in tags}


def tag_key(key: str) -> str:
    """Check a tag's key. Those that the registry sets are its own."""
    if not key:
        refuse_value("Missing value for required parameter 'key'.")
    if len(key) > LONGEST_KEY:
        refuse_value(f"A tag's key has at most {LONGEST_KEY} characters.")
    if posixpath.normpath(key) != key or key.startswith(("/", "..")) or not re.fullmatch(r"[/\w.\- :]*", key):
        refuse_value(
            f"Invalid tag key '{key}': letters, digits, '_', '-', '.', ':', '/' and spaces may be in it, and as the"
            " name of a file it must not be another."
        )
    if key.startswith(OWN):
        raise MlflowError(Code.PERMISSION_DENIED, f"Tags that begin with '{OWN}' are set by the registry alone.")
    return key


def tag_value(value: str) -> str:
    """Check a tag's value."""
    if len(value) > LONGEST_VALUE:
        refuse_value(f"A tag's value has at most {LONGEST_VALUE} characters.")
    return value
