"""Settings: environment variables over one TOML file over defaults, checked before anything starts.

A field of every service is read from ``EVERLOOP_<SERVICE>_<FIELD>``, else ``EVERLOOP_<FIELD>``, else the
service's table in the file, else the file's top level. A service's own field is read only where its name stands.
The file is ``EVERLOOP_CONFIG``, else ``everloop.toml`` in the home directory, if it is there.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.catalog import MESSAGES
from services.chassis.logs import LogFormat

PREFIX = "EVERLOOP_"
SERVICES = frozenset(message.owner() for message in MESSAGES)
OTHER_TABLES = frozenset({"platform"})
"""Tables of the file that are read by others than services."""


class SettingsError(ValueError):
    """A setting is unknown or wrong; the text names it and says what is expected."""


def settings_for(service: str) -> SettingsConfigDict:
    """Configure the settings of a service; its class sets ``model_config`` to this."""
    return SettingsConfigDict(
        env_prefix=f"{PREFIX}{service.upper()}_", extra="forbid", frozen=True, hide_input_in_errors=True
    )


class ServiceSettings(BaseSettings):
    """What every service needs to know."""

    model_config = settings_for("service")

    home: Path = Field(default_factory=lambda: Path.home() / ".everloop", description="Everything local lives here.")
    nats_url: str = "nats://127.0.0.1:4222"
    nats_ca_file: Path | None = Field(default=None, description="Signs the broker's certificate, with tls://.")
    nats_replicas: int = Field(default=1, ge=1, le=5, description="Copies of every stream in a NATS cluster.")
    database_url: SecretStr | None = Field(
        default=None, description="postgresql://… shared by all services, each in its own schema; unset: SQLite."
    )
    store_uri: str = Field(default="", description="Where files are kept; unset: the folder store of the home.")
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="For HTTP; 0 takes a free one.")
    otlp_endpoint: str | None = Field(default=None, description="Base URL of an OTLP/HTTP collector.")
    log_level: str = Field(default="info", pattern="^(?i:debug|info|warning|error)$")
    log_format: LogFormat = LogFormat.TEXT
    max_body_bytes: int = Field(default=1024 * 1024, gt=0, description="Of an HTTP request.")
    drain_timeout_s: float = Field(default=10, gt=0, description="For work in hand when asked to stop.")

    def model_post_init(self, context: object, /) -> None:
        """Derive what depends on the home directory."""
        home = self.home.expanduser().absolute()
        object.__setattr__(self, "home", home)
        object.__setattr__(self, "store_uri", self.store_uri or str(home / "store"))

    @classmethod
    def load(cls) -> Self:
        """Read the settings.

        Raises:
            SettingsError: Names every setting that is unknown or wrong, never its value.
        """
        try:
            return cls()
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            raise SettingsError(f"settings of {cls.service()} are wrong: {'; '.join(faults)}") from error

    @classmethod
    def service(cls) -> str:
        """Name the service these are for."""
        return cls.model_config["env_prefix"].removeprefix(PREFIX).removesuffix("_").lower()

    def database_for(self, service: str) -> str:
        """Write the URL of a service's database."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'db' / f'{service}.sqlite'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; the first that knows a field wins."""
        _refuse_unknown_variables(cls)
        own, shared = _tables(_config_file(), cls.service())
        return (
            init_settings,
            env_settings,
            _SharedVariables(settings_cls),
            _Table(settings_cls, own),
            _Table(settings_cls, shared),
        )


class _SharedVariables(EnvSettingsSource):
    """``EVERLOOP_<FIELD>``, for the fields of every service."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls, env_prefix=PREFIX)

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if name in ServiceSettings.model_fields}


class _Table(PydanticBaseSettingsSource):
    """Keys of a TOML table. Those that are no fields are left for the class to refuse by name."""

    def __init__(self, settings_cls: type[BaseSettings], table: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self._table = dict(table)

    def get_field_value(self, field: object, field_name: str) -> tuple[Any, str, bool]:
        """Find one field."""
        return self._table.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._table


def _config_file() -> Path | None:
    named = os.environ.get(f"{PREFIX}CONFIG")
    if named:
        return Path(named)
    home = os.environ.get(f"{PREFIX}HOME")
    usual = (Path(home).expanduser() if home else Path.home() / ".everloop") / "everloop.toml"
    return usual if usual.is_file() else None


def _tables(file: Path | None, service: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if file is None:
        return {}, {}
    try:
        content = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} cannot be read as TOML: {error}") from error
    shared = {name: value for name, value in content.items() if not isinstance(value, dict)}
    strangers = sorted(shared.keys() - ServiceSettings.model_fields.keys())
    strangers += [f"[{name}]" for name in sorted(content.keys() - shared.keys() - SERVICES - OTHER_TABLES)]
    if strangers:
        raise SettingsError(f"{file} has unknown settings: {', '.join(strangers)}")
    return content.get(service, {}), shared


def _refuse_unknown_variables(cls: type[ServiceSettings]) -> None:
    prefix = cls.model_config["env_prefix"]
    known = {f"{prefix}{name}".upper() for name in cls.model_fields}
    strangers = sorted(name for name in os.environ if name.upper().startswith(prefix) and name.upper() not in known)
    if strangers:
        raise SettingsError(f"unknown settings in the environment: {', '.join(strangers)}")
