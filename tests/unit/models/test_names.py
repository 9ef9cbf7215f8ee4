from pathlib import Path

import pytest

from everloop.models.errors import ModelNameError
from everloop.models.names import Alias, ModelName, bundle_uri


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("flight_delays@champion", Alias.CHAMPION),
        ("flight_delays@previous", Alias.PREVIOUS),
        ("flight_delays", Alias.CHAMPION),
        ("flight_delays/12", 12),
    ],
)
def test_a_name_says_which_version(text: str, which: Alias | int) -> None:
    name = ModelName.parse(text)

    assert name == ModelName("flight_delays", which)
    assert ModelName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "Flights@champion", "flights@best", "flights/0", "flights:3", "flights@champion/3", "flights@"]
)
def test_what_is_no_name_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(ModelNameError, match="model@champion"):
        ModelName.parse(text)


def test_paths_and_uris_are_no_names() -> None:
    assert bundle_uri("flights/3") is None
    assert bundle_uri("/bundles/3") == "/bundles/3"
    assert bundle_uri("s3://bucket/3") == "s3://bucket/3"
    assert bundle_uri("./flights") == str(Path("flights").absolute())
    assert bundle_uri(Path("flights")) == str(Path("flights").absolute())
