"""Why a replica does not answer, in words for the caller; each edge says it in its protocol."""

LONGEST_QUOTE = 60
LONGEST_SHAPE = 8


def quoted(sent: object) -> str:
    """Quote what a caller sent where a short plain value was expected; it can be of any length and depth."""
    match sent:
        case str() if len(sent) > LONGEST_QUOTE:
            return f"{sent[:LONGEST_QUOTE]!r}…"
        case str() | int() | float() | None:
            return repr(sent)
        case list() if len(sent) <= LONGEST_SHAPE and all(isinstance(one, int | float) for one in sent):
            return repr(sent)
        case list():
            return "a list"
        case _:
            return "an object"


class RequestError(Exception):
    """A request that is answered with an error. The message is shown to the caller and holds no request content
    beyond names."""

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        """Say what is wrong.

        Args:
            status: As HTTP would have it: 400 malformed, 404 unknown, 413 too large, 429 too many, 503 not now.
            message: What was wrong and what to do.
            retry_after_s: When to come again, for 429 and 503.
        """
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
