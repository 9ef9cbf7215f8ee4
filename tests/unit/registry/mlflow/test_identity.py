"""Who asks through MLflow's protocol, as their credentials claim."""

from base64 import b64encode

import pytest

from services.registry.mlflow.errors import Code, MlflowError
from services.registry.mlflow.identity import LONGEST_USER, claimed_by


def basic(credentials: str) -> str:
    return f"Basic {b64encode(credentials.encode()).decode()}"


@pytest.mark.parametrize("header", [None, "", "Bearer eyJhbGciOiJub25lIn0.e30.", "Negotiate YII="])
def test_where_nobody_is_named_it_is_the_protocol(header: str | None) -> None:
    assert claimed_by(header) == "mlflow"


@pytest.mark.parametrize("user", ["ada", "Ada Lovelace", "ada@example.org", "Žofie", "a" * LONGEST_USER])
def test_basic_credentials_name_a_user(user: str) -> None:
    assert claimed_by(basic(f"{user}:s3cret:with colons")) == f"{user} (mlflow)"
    assert claimed_by(basic(f"{user}:").replace("Basic", "bAsIc")) == f"{user} (mlflow)"


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic YWRh",
        "Basic /////w==",
        *map(basic, [":s3cret", "  :s3cret", "ada\n:s3cret", "ada\0:s3cret", "ada\u202e:s3cret"]),
        basic("a" * (LONGEST_USER + 1) + ":s3cret"),
    ],
)
def test_credentials_that_name_nobody_are_refused(header: str) -> None:
    with pytest.raises(MlflowError) as refused:
        claimed_by(header)

    assert refused.value.code is Code.UNAUTHENTICATED
    assert "s3cret" not in str(refused.value)
    assert refused.value.__context__ is None
