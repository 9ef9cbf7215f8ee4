"""What the supervisor reads of the settings file: its own table, and where the store is."""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from everloop.platform.home import Home
from everloop.platform.ports import DEFAULT_PORTS


class ConfigError(ValueError):
    """The settings file is broken; the text names what and where."""


class PlatformConfig(BaseModel):
    """The ``[platform]`` table of ``everloop.toml``. Options of `everloop up` win over it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ports: dict[str, int] = Field(default_factory=dict, description="By name; those left out are chosen.")
    port_base: int | None = Field(default=None, ge=1024, le=65000)
    ray_cpus: int = Field(default=8, ge=2, le=4096, description="Slots for tasks and actors, not cores.")
    object_store_mib: int = Field(default=256, ge=80, description="Shared memory of Ray.")
    pipelines: tuple[Path, ...] = Field(default=(), description="Folders whose pipelines are registered at start.")


def read_config(home: Home) -> PlatformConfig:
    """Read the supervisor's table.

    Raises:
        ConfigError: The file is no TOML or the table has a wrong or unknown key.
    """
    try:
        config = PlatformConfig.model_validate(_content(home).get("platform", {}))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"[platform] in {config_file(home)}: {faults}") from error
    if strangers := config.ports.keys() - DEFAULT_PORTS.keys():
        raise ConfigError(f"no port is called {', '.join(sorted(strangers))}; there are {', '.join(DEFAULT_PORTS)}")
    return config


def store_uri(home: Home) -> str:
    """Find where files are kept, by the services' own order: environment, file, folder of the home."""
    return os.environ.get("EVERLOOP_STORE_URI") or _content(home).get("store_uri") or str(home.store)


def otlp_endpoint(home: Home, embedded: str) -> str:
    """Find where spans go: a collector if one is set, else the embedded store."""
    return os.environ.get("EVERLOOP_OTLP_ENDPOINT") or _content(home).get("otlp_endpoint") or embedded


def config_file(home: Home) -> Path:
    """Name the settings file, whether it exists or not."""
    return Path(os.environ.get("EVERLOOP_CONFIG") or home.config_file)


def _content(home: Home) -> dict[str, Any]:
    try:
        return tomllib.loads(config_file(home).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{config_file(home)} cannot be read as TOML: {error}") from error
