"""Signatures of webhooks, as Standard Webhooks has them: https://www.standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac

from pydantic import SecretStr

PREFIX = "whsec_"


def secret_bytes(secret: SecretStr) -> bytes:
    """Read the key of a secret.

    Raises:
        ValueError: It is not ``whsec_`` and base64 of 24 to 64 bytes; the error does not repeat it.
    """
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"a secret is {PREFIX} and base64 of 24 to 64 bytes")
    return key


def signed_headers(secret: SecretStr, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Write the headers that let a receiver check who sent a body, when, and whether it had it before.

    Args:
        secret: Shared with the receiver.
        message_id: The same at every try.
        timestamp: Of this try, in seconds since 1970.
        body: Byte for byte as it is sent.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signature = base64.b64encode(hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
