"""Channels as the settings declare them. What must stay secret is a SecretStr, or the name of a variable."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from contracts.alerts import AlertKind, Severity
from contracts.model import PipelineName
from services.monitoring.alerts.ports import Route
from services.monitoring.alerts.signing import secret_bytes

FROM_ENVIRONMENT = "env:"

Address = Annotated[str, StringConstraints(pattern=r"^[^\s<>@,]+@[^\s<>@,]+$", max_length=254)]


def _looked_up(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(FROM_ENVIRONMENT):
        return value
    name = value.removeprefix(FROM_ENVIRONMENT)
    if not os.environ.get(name):
        raise ValueError(f"the environment has no {name}")
    return os.environ[name]


Secret = Annotated[SecretStr, BeforeValidator(_looked_up)]
"""A secret, or ``env:NAME`` for that of an environment variable."""


class _Declared(BaseModel):
    """What every channel can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    min_severity: Severity = Field(default=Severity.WARNING, description="The least it is told of.")
    pipelines: frozenset[PipelineName] = Field(default=frozenset(), description="Only of these; none: of all.")
    kinds: frozenset[AlertKind] = Field(default=frozenset(), description="Only these; none: all.")
    tell_resolved: bool = Field(default=True, description="Tell it, too, that an alert is over.")
    timeout_s: float = Field(default=10, gt=0, le=60, description="For each answer it gives.")

    def route(self) -> Route:
        """Say which alerts it is told of."""
        return Route(self.min_severity, self.pipelines, self.kinds, self.tell_resolved)


class Webhook(_Declared):
    """A URL that is sent signed JSON, as Standard Webhooks does."""

    type: Literal["webhook"] = "webhook"
    url: Secret
    secret: Secret = Field(description="whsec_ and base64 of 24 to 64 random bytes.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        secret_bytes(self.secret)
        return self

    def goes_in_the_clear(self) -> bool:
        """Tell whether others on the network could read along."""
        return _in_the_clear(self.url)


class Slack(_Declared):
    """An incoming webhook of Slack, or of what speaks like it. Its URL is its secret."""

    type: Literal["slack"] = "slack"
    url: Secret

    def goes_in_the_clear(self) -> bool:
        """Tell whether others on the network could read along."""
        return _in_the_clear(self.url)


class Email(_Declared):
    """People, through a mail server."""

    type: Literal["email"] = "email"
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: Path | None = Field(default=None, description="Signs the server's certificate; unset: the system's.")
    username: str | None = None
    password: Secret | None = None
    sender: Address
    recipients: tuple[Address, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        return self

    def goes_in_the_clear(self) -> bool:
        """Tell whether others on the network could read along."""
        return self.security == "none" and not _is_loopback(self.host)


Channel = Annotated[Webhook | Slack | Email, Field(discriminator="type")]


def _in_the_clear(url: SecretStr) -> bool:
    """Hold a URL against the rules, without repeating it."""
    try:
        parts = httpx.URL(url.get_secret_value())
        agreed = urlsplit(url.get_secret_value()).hostname == parts.host
    except (httpx.InvalidURL, ValueError):
        raise ValueError("the url cannot be read") from None
    # Where two readers see two hosts, the URL is there to fool one of them.
    if parts.scheme not in ("http", "https") or not parts.host or not agreed:
        raise ValueError("the url must be https://…")
    return parts.scheme == "http" and not _is_loopback(parts.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
