"""Where the files of a logged version may be, and what is meant by a name for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.errors import RejectedError
from services.registry.models.sources import REMOTE, check_source, parse_models_uri


@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/models/1",
        "gs://bucket//models/1/",
        "mlflow-artifacts:/1/0123/artifacts/model",
        "runs:/0123/model",
        "models:/Late flights/1",
        "models:/flights@good",
        "hdfs:/models/1",
    ],
)
def test_a_remote_place_is_a_source(source: str) -> None:
    check_source(source)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("", "no URI of a remote store"),
        ("models/1", "no URI of a remote store"),
        ("C:\\models", "must not be in it"),
        ("file:/models/1", "no URI of a remote store"),
        ("%66ile:/models/1", "no URI of a remote store"),
        ("%6dodels:/flights/1", "no URI of a remote store"),
        ("s3://[", "no URI"),
        ("s3://bucket/.%2e/1", "lead nowhere else"),
        ("s3://bucket/%25252e%25252e/1", "lead nowhere else"),
        ("s3://bucket/" + "%25" * 1 + "25" * 12 + "2e", "encoded too often"),
        ("s3://bucket/a\nb", "must not be in it"),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/1", "mlflow-artifacts:/"),
        ("runs://host/0123/model", "of this registry"),
        ("mlflow-artifacts:1/model", "of this registry"),
    ],
)
def test_what_is_local_or_leads_elsewhere_is_none(source: str, why: str) -> None:
    with pytest.raises(RejectedError, match=why):
        check_source(source)


@given(st.one_of(st.text(), st.builds("{}:{}".format, st.sampled_from(sorted(REMOTE)), st.text())))
def test_any_text_is_a_source_or_refused(source: str) -> None:
    try:
        check_source(source)
    except RejectedError:
        return
    assert ".." not in source.split("/")
    assert source.split(":")[0].lower() in REMOTE


@pytest.mark.parametrize(
    ("source", "parsed"),
    [
        ("models:/m-0123", ("m-0123", "", "")),
        ("models:/flights/3", ("flights", "3", "")),
        ("models:/flights/Production", ("flights", "Production", "")),
        ("models:/flights/latest", ("flights", "latest", "")),
        ("models:/late@home@good", ("late@home", "", "good")),
    ],
)
def test_a_models_uri_says_what_it_names(source: str, parsed: tuple[str, str, str]) -> None:
    assert parse_models_uri(source) == parsed


@pytest.mark.parametrize(
    "source", ["models:/", "models:/flights@", "models:/@good", "models:/flights/best", "models:/a/1/b"]
)
def test_no_other_models_uri_is_one(source: str) -> None:
    with pytest.raises(RejectedError):
        parse_models_uri(source)
