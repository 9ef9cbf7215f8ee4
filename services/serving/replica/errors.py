"""Why a replica does not answer, in words for the caller; each edge says it in its protocol."""


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
