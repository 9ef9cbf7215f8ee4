"""A path leads below the root or nowhere, however often somebody decodes it."""

import pytest

from services.chassis.errors import MalformedError
from services.registry.artifacts.domain import below, checked


@pytest.mark.parametrize(
    "path",
    [
        "",
        "model.onnx",
        "0/run/artifacts/model/MLmodel",
        "a b/ü/日本.txt",
        ".hidden",
        "50%.txt",
        "50%25.txt",
        "a:b",
        "...",
    ],
)
def test_usual_paths_stay_as_they_are(path: str) -> None:
    assert checked(path) == path


def test_slash_may_end_a_path() -> None:
    assert checked("0/run/artifacts/") == "0/run/artifacts"


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "a/../b",
        "a/..",
        "./a",
        "a//b",
        "/etc/passwd",
        "//host/share",
        "file:///etc/passwd",
        "C:/windows",
        "C:\\windows",
        "a\\..\\b",
        "a%5Cb",
        "%2e%2e/secret",
        "%252e%252e%252fsecret",
        "a%2f..%2fb",
        "a#b",
        "a?b",
        "a%23b",
        "a%253Fb",
        "a\0b",
        "a%00",
        "a%2500",
        "a\nb",
        "x" * 256,
        "/".join(["x" * 100] * 11),
        "%25" * 20 + "41" + "%" + "25" * 40,
    ],
)
def test_what_may_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(MalformedError, match="invalid path"):
        checked(path)


@pytest.mark.parametrize("root", ["mlflow-artifacts:/0/run/artifacts", "mlflow-artifacts://host:5000/0/run/artifacts/"])
def test_paths_of_a_run_are_below_its_own_directory(root: str) -> None:
    assert below(root, "") == "0/run/artifacts"
    assert below(root, "model/MLmodel") == "0/run/artifacts/model/MLmodel"


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("mlflow-artifacts:/0/run/artifacts", "../../1/run"),
        ("mlflow-artifacts:/0/run/artifacts", "/a"),
        ("mlflow-artifacts:/../run", "a"),
        ("/etc", "passwd"),
        ("file:///etc", "passwd"),
        ("s3://bucket/run", "a"),
    ],
)
def test_other_places_are_not_found(root: str, path: str) -> None:
    with pytest.raises(MalformedError):
        below(root, path)
