"""Ask the registry what a name means."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.model import Contract, Digest, Uri
from everloop.models.errors import ModelNotFoundError, ModelUnavailableError
from everloop.models.names import Alias, ModelName

URL = "EVERLOOP_REGISTRY_URL"
TIMEOUT_S = 5.0


class Resolved(Contract):
    """What a name meant when somebody who knows was last asked."""

    name: str
    model: str
    version: int | None
    bundle_uri: Uri
    bundle_digest: Digest | None
    registry: str | None
    known_at: datetime
    """When it was asked; since then the name may have moved."""


class SilentRegistryError(ModelUnavailableError):
    """The registry does not answer, or can't just now."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry, whether it runs or not."""

    identity: str
    """Tells it apart from others: its address, or the home directory of a platform, whose ports may change."""
    url: str | None
    """Where it answers; None: it is not running."""

    def resolve(self, name: ModelName) -> Resolved:
        """Ask what a name means now.

        Raises:
            ModelNotFoundError: There is no such model or version, or no file of it to load, or the alias is nobody's.
            SilentRegistryError: It does not answer.
        """
        number = name.which if isinstance(name.which, int) else self.points_at(name.model, name.which)
        if number is None:
            raise ModelNotFoundError(f"{name.model} has no {name.which} yet; see `everloop models {name.model}`")
        version = self._get(f"/v1/models/{name.model}/versions/{number}")
        if version["bundle_uri"] is None:
            raise ModelNotFoundError(f"{name} can't be loaded: {version['serving'] or version['untold']}")
        if collected := version["collected_at"]:
            raise ModelNotFoundError(f"the files of {name.model} {number} were collected on {collected[:10]}")
        return Resolved(
            name=str(name),
            model=name.model,
            version=number,
            bundle_uri=version["bundle_uri"],
            bundle_digest=version["bundle_digest"],
            registry=self.identity,
            known_at=datetime.now(UTC),
        )

    def points_at(self, model: str, alias: Alias) -> int | None:
        """Ask which version an alias points at: one small answer, cheap to ask for again and again.

        Raises:
            ModelNotFoundError: There is no such model.
            SilentRegistryError: It does not answer.
        """
        number: int | None = self._get(f"/v1/models/{model}")["aliases"][alias]
        return number

    def _get(self, path: str) -> Any:
        import httpx

        if self.url is None:
            raise SilentRegistryError(f"no platform runs on {self.identity}")
        try:
            response = httpx.get(self.url + path, timeout=TIMEOUT_S, trust_env=False)
            if response.status_code == httpx.codes.NOT_FOUND:
                raise ModelNotFoundError(f"the registry at {self.url} says: {_said(response)}")
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise SilentRegistryError(
                f"the registry at {self.url} does not answer: {error or type(error).__name__}"
            ) from error


def find_registry(url: str | None = None, home: Path | None = None) -> Registry:
    """Find the registry: the address given, that of ``EVERLOOP_REGISTRY_URL``, or the platform of this machine.

    Args:
        url: Its address.
        home: Directory of the platform; unset: ``EVERLOOP_HOME``, else ``~/.everloop``.
    """
    if address := url or os.environ.get(URL):
        address = address.rstrip("/").removesuffix("/v1")
        return Registry(address, address)
    # Only those who name no address need what the platform's directory takes.
    from everloop.platform.home import find_home, is_locked
    from everloop.platform.state import read_state

    place = find_home(home)
    state = read_state(place) if is_locked(place) else None
    return Registry(str(place.root), state.endpoints.of("registry") if state else None)


def _said(response: Any) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):
        return str(response.reason_phrase)
