"""Settings: who wins, and how mistakes are named."""

import os
from pathlib import Path

import pytest
from pydantic import Field

from services.chassis.settings import ServiceSettings, SettingsError, settings_for


class ParcelSettings(ServiceSettings):
    model_config = settings_for("registry")

    patience_s: float = Field(default=5, gt=0)
    friends: tuple[str, ...] = ()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("EVERLOOP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EVERLOOP_HOME", str(tmp_path))
    return tmp_path


def test_defaults_live_in_the_home_directory(home: Path) -> None:
    settings = ParcelSettings.load()

    assert settings.home == home
    assert settings.store_uri == str(home / "store")
    assert settings.database_for("registry") == f"sqlite:///{home}/db/registry.sqlite"


def test_own_variable_beats_shared_variable_beats_own_table_beats_shared_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "everloop.toml").write_text('nats_url = "nats://top"\nhost = "top"\n[registry]\nnats_url = "nats://own"\n')
    assert ParcelSettings.load().nats_url == "nats://own"
    assert ParcelSettings.load().host == "top"

    monkeypatch.setenv("EVERLOOP_NATS_URL", "nats://shared-variable")
    assert ParcelSettings.load().nats_url == "nats://shared-variable"

    monkeypatch.setenv("EVERLOOP_REGISTRY_NATS_URL", "nats://own-variable")
    assert ParcelSettings.load().nats_url == "nats://own-variable"


def test_own_field_is_not_read_from_a_shared_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERLOOP_PATIENCE_S", "1")
    assert ParcelSettings.load().patience_s == 5

    monkeypatch.setenv("EVERLOOP_REGISTRY_PATIENCE_S", "1")
    monkeypatch.setenv("EVERLOOP_REGISTRY_FRIENDS", '["a", "b"]')
    assert ParcelSettings.load().patience_s == 1
    assert ParcelSettings.load().friends == ("a", "b")


def test_wrong_value_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERLOOP_REGISTRY_PATIENCE_S", "-12345")

    with pytest.raises(SettingsError, match=r"settings of registry are wrong: patience_s: .*greater than 0") as caught:
        ParcelSettings.load()
    assert "12345" not in str(caught.value)


def test_unknown_variable_of_the_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERLOOP_REGISTRY_PATIENCE", "1")

    with pytest.raises(SettingsError, match=r"EVERLOOP_REGISTRY_PATIENCE$"):
        ParcelSettings.load()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("natsurl = 1", "natsurl"),
        ("[registri]\nport = 1", r"\[registri\]"),
        ("[registry]\npatience = 1", "patience"),
        ("nats_url = ", "cannot be read as TOML"),
    ],
)
def test_mistake_in_the_file_is_named(home: Path, text: str, named: str) -> None:
    (home / "everloop.toml").write_text(text)

    with pytest.raises(SettingsError, match=named):
        ParcelSettings.load()


def test_tables_of_others_are_left_alone(home: Path) -> None:
    (home / "everloop.toml").write_text("[training]\nanything = 1\n[platform]\nanything = 1\n")

    assert ParcelSettings.load().port == 0


def test_file_that_was_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERLOOP_CONFIG", "/nowhere/everloop.toml")

    with pytest.raises(SettingsError, match="/nowhere"):
        ParcelSettings.load()


def test_password_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERLOOP_DATABASE_URL", "postgresql://everloop:hunter2@db/everloop")

    settings = ParcelSettings.load()

    assert "hunter2" not in f"{settings!r}{settings}{settings.model_dump_json()}"
    assert settings.database_for("registry").startswith("postgresql://everloop:hunter2@")
