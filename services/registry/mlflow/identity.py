"""Who asks, in their own words: nobody verifies them here, so they are recorded as claimed by this protocol."""

from base64 import b64decode

from services.registry.mlflow.errors import Code, MlflowError

MLFLOW = "mlflow"
"""Who asks, where nobody is named: the protocol."""
LONGEST_USER = 128


def claimed_by(authorization: str | None) -> str:
    """Name who asks: ``ada (mlflow)`` where Basic credentials name a user, else only the protocol.

    The password is left where it is: here ends everything that knows of it.

    Args:
        authorization: The header, if there is one. Of other schemes, bearer tokens among them, nothing is read.

    Raises:
        MlflowError: The credentials name nobody.
    """
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return MLFLOW
    user = _user(credentials)
    # What is shown in terminals and kept for good holds neither control characters nor a page of text.
    if not user.strip() or not user.isprintable() or len(user) > LONGEST_USER:
        raise MlflowError(Code.UNAUTHENTICATED, "You are not authenticated: the Basic credentials name no user.")
    return f"{user} ({MLFLOW})"


def _user(credentials: str) -> str:
    try:
        user, colon, _ = b64decode(credentials.strip(), validate=True).decode().partition(":")
    except ValueError:  # neither base64, nor UTF-8 in it
        return ""
    return user if colon else ""
