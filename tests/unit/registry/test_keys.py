"""Free text becomes a subject token, and no two names the same one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from services.registry.keys import key_of

TOKEN = re.compile(r"[a-z][a-z0-9_]{0,62}")


def test_a_pipelines_name_is_its_own_key() -> None:
    assert key_of("flight_delays") == "flight_delays"


def test_other_names_keep_their_likeness() -> None:
    assert key_of("My Model!").startswith("my_model_")
    assert key_of("2024 run").startswith("x_2024_run_")


@given(st.text(), st.text())
def test_every_name_has_a_key_of_its_own(one: str, other: str) -> None:
    assert TOKEN.fullmatch(key_of(one))
    assert (key_of(one) == key_of(other)) is (one == other)
