"""Sends a notice to a channel. What fails says so in words that hold neither URL nor secret."""

import asyncio
import smtplib
import ssl
from datetime import datetime

import httpx

from services.monitoring.alerts import bodies
from services.monitoring.alerts.channels import Email, Slack, Webhook
from services.monitoring.alerts.domain import Delivery
from services.monitoring.alerts.signing import signed_headers

AGENT = "everloop-alerts/1"


class UndeliveredError(Exception):
    """A channel did not take a notice; trying again may work."""


async def send(channel: Webhook | Slack | Email, delivery: Delivery, *, now: datetime) -> None:
    """Send a notice once, and wait until the channel has taken it.

    Raises:
        UndeliveredError: It did not.
    """
    match channel:
        case Webhook():
            body = bodies.webhook_body(delivery)
            signed = signed_headers(
                channel.secret, message_id=str(delivery.id), timestamp=int(now.timestamp()), body=body
            )
            await _post(channel, body, signed)
        case Slack():
            await _post(channel, bodies.slack_body(delivery), {})
        case Email():
            await asyncio.to_thread(_mail, channel, delivery)


async def _post(channel: Webhook | Slack, body: bytes, headers: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": AGENT, **headers}
    try:
        # Of the answer only the status is read: whoever answers may answer anything, at any length.
        async with (
            asyncio.timeout(channel.timeout_s),
            httpx.AsyncClient(timeout=channel.timeout_s, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", channel.url.get_secret_value(), content=body, headers=headers) as response,
        ):
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, UnicodeError) as error:
        raise UndeliveredError(f"no answer: {type(error).__name__}") from None
    if not response.is_success:
        raise UndeliveredError(f"HTTP {status}{'; redirects are not followed' if response.is_redirect else ''}")


def _mail(channel: Email, delivery: Delivery) -> None:
    message = bodies.letter(delivery, sender=channel.sender, recipients=channel.recipients)
    try:
        with _connected(channel) as server:
            if channel.username is not None and channel.password is not None:
                server.login(channel.username, channel.password.get_secret_value())
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise UndeliveredError(f"the mail server answered {error.smtp_code}") from None
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        raise UndeliveredError(f"no mail server: {type(error).__name__}") from None
    if refused:
        raise UndeliveredError(f"the mail server refused {len(refused)} of {len(channel.recipients)} recipients")


def _connected(channel: Email) -> smtplib.SMTP:
    trusted = ssl.create_default_context(cafile=channel.ca_file)
    if channel.security == "tls":
        return smtplib.SMTP_SSL(channel.host, channel.port, timeout=channel.timeout_s, context=trusted)
    server = smtplib.SMTP(channel.host, channel.port, timeout=channel.timeout_s)
    if channel.security == "starttls":
        try:
            server.starttls(context=trusted)
        except BaseException:
            server.close()
            raise
    return server
