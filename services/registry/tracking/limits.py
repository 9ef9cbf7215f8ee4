"""What may be logged: the limits of MLflow's servers. Everything refused names the field it is refused for."""

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import unquote

from services.chassis.errors import RejectedError
from services.registry.tracking.domain import DatasetInput, Metric

LONGEST_KEY = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 8000
LONGEST_EXPERIMENT_TAG = 20_000
LONGEST_EXPERIMENT_NAME = 500
LONGEST_LOCATION = 2048
LONGEST_DATASET_NAME = 500
LONGEST_DATASET_DIGEST = 36
LONGEST_MODEL_ID = 64
MOST_METRICS = 1000
MOST_PARAMS = 100
MOST_TAGS = 100
MOST_ENTRIES = 1000
_KEY = re.compile(r"[/\w.\- :]*")


def check_keys(field: str, keys: Iterable[str]) -> None:
    """Refuse names that could not be file names.

    Raises:
        RejectedError: A key has other characters, is a path that leads elsewhere, or is too long.
    """
    for key in keys:
        if not _KEY.fullmatch(key):
            raise RejectedError(
                "key_invalid", field=field, key=key[:LONGEST_KEY], allowed="letters, digits, _, -, ., :, / and spaces"
            )
        normal = posixpath.normpath(key)
        if normal != key or normal == "." or normal.startswith(("..", "/")):
            raise RejectedError("key_invalid", field=field, key=key[:LONGEST_KEY], as_a_path=normal[:LONGEST_KEY])
        check_length(field, key, LONGEST_KEY)


def check_length(field: str, value: str, longest: int) -> None:
    """Refuse what is too long.

    Raises:
        RejectedError: It is.
    """
    if len(value) > longest:
        raise RejectedError("too_long", field=field, characters=len(value), at_most=longest)


def check_experiment(name: str, location: str | None, tags: Mapping[str, str]) -> None:
    """Refuse an experiment that could not be kept.

    Raises:
        RejectedError: Its name, its location or a tag is no good.
    """
    check_length("name", name, LONGEST_EXPERIMENT_NAME)
    check_location(location or "")
    for key, value in tags.items():
        check_experiment_tag(key, value)


def check_location(location: str) -> None:
    """Refuse places that are none, or lead out of themselves.

    Raises:
        RejectedError: It refers to a run, has a query or a fragment, or goes up.
    """
    check_length("artifact_location", location, LONGEST_LOCATION)
    read = unquote(unquote(location))
    if location.startswith("runs:") or set("#?;\\") & set(read) or ".." in read.split("/"):
        raise RejectedError("location_invalid", field="artifact_location", artifact_location=location)


def check_experiment_tag(key: str, value: str) -> None:
    """Refuse a tag that could not be kept.

    Raises:
        RejectedError: Its key or value is no good.
    """
    check_keys("key", [key])
    check_length("value", value, LONGEST_EXPERIMENT_TAG)


def check_batch(metrics: Sequence[Metric], params: Collection[str], tags: Collection[str]) -> None:
    """Refuse what could not be logged at once.

    Raises:
        RejectedError: A key or a time is no good, or it is too much.
    """
    total = len(metrics) + len(params) + len(tags)
    for field, got, most in (
        ("metrics", len(metrics), MOST_METRICS),
        ("params", len(params), MOST_PARAMS),
        ("tags", len(tags), MOST_TAGS),
        ("metrics, params and tags", total, MOST_ENTRIES),
    ):
        if got > most:
            raise RejectedError("batch_too_large", field=field, got=got, at_most=most)
    check_keys("metrics", {metric.key for metric in metrics})
    check_keys("params", params)
    check_keys("tags", tags)
    for metric in metrics:
        if metric.timestamp_ms < 0:
            raise RejectedError("timestamp_negative", field="timestamp", key=metric.key, timestamp=metric.timestamp_ms)
        check_length("model_id", metric.model_id or "", LONGEST_MODEL_ID)
        check_length("dataset_name", metric.dataset_name or "", LONGEST_DATASET_NAME)
        check_length("dataset_digest", metric.dataset_digest or "", LONGEST_DATASET_DIGEST)


def check_dataset(used: DatasetInput) -> None:
    """Refuse a dataset that could not be kept.

    Raises:
        RejectedError: A text of it is too long.
    """
    check_length("name", used.dataset.name, LONGEST_DATASET_NAME)
    check_length("digest", used.dataset.digest, LONGEST_DATASET_DIGEST)
    check_length("source", used.dataset.source, 65_535)
    for key, value in used.tags.items():
        check_length("key", key, 255)
        check_length("value", value, 500)
