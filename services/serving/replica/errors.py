"""Why a replica does not answer, in words for the caller; each edge says it in its protocol."""

from traceback import extract_tb

from services.chassis.logs import Log

MODEL_FAILED = "the model failed; the log of the replica tells why"
"""All that a caller is told of a bug, ours or the model's."""
RETRY_AFTER_S = 1
"""Soon enough for who was refused because there is much to do."""
LONGEST_QUOTE = 60
LONGEST_SHAPE = 8
LONGEST_MESSAGE = 2000
"""Of an error, in characters. A name in it can be as long as the request, and gRPC and the broker put errors in
headers."""
FRAMES = 5


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
        super().__init__(message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…")
        self.status = status
        self.retry_after_s = retry_after_s


def log_bug(log: Log, sentence: str, error: BaseException, **fields: object) -> None:
    """Log what nobody foresaw by its place, innermost first, and without its text, which can hold what was asked."""
    frames = extract_tb(error.__traceback__)[: -FRAMES - 1 : -1]
    at = " < ".join(f"{frame.name} {frame.filename}:{frame.lineno}" for frame in frames)
    log.error(sentence, **fields, error=type(error).__name__, at=at)
