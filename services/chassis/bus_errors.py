"""What can go wrong between a service and the broker."""

from services.chassis.errors import EverloopError, TransientError

STREAM_FULL_CODES = frozenset({10047, 10077})
OTHERWISE_CODES = frozenset({10071, 10164})
NOT_FOUND_CODES = frozenset({10014, 10037, 10059})


class BusUnavailableError(TransientError):
    """The broker did not answer. What was published may be stored or not: publish again under the same id."""


class StreamFullError(TransientError):
    """The stream refuses new messages until old ones are handled."""


class ConsumerGoneError(TransientError):
    """The consumer that was pulled from is not there."""


class BusRefusalError(EverloopError):
    """The broker understood and said no."""


class NotOnBusError(BusRefusalError):
    """The stream, consumer or message asked for does not exist."""


class OtherwiseError(BusRefusalError):
    """What a message was to follow is not what is there."""


class OldServerError(BusRefusalError):
    """The broker silently ignores settings that the delivery promise stands on."""


def refusal(code: int | None, err_code: int | None, description: str | None) -> EverloopError:
    """Name the error that an answer of the broker stands for.

    Args:
        code: Like an HTTP status.
        err_code: The broker's own, finer number.
        description: Its words.
    """
    if err_code in STREAM_FULL_CODES:
        return StreamFullError("stream_full", detail=description)
    if err_code in NOT_FOUND_CODES:
        return NotOnBusError("not_on_bus", detail=description)
    if err_code in OTHERWISE_CODES:
        return OtherwiseError("otherwise_on_bus", detail=description)
    if code == 503:
        return BusUnavailableError("bus_unavailable", detail=description)
    return BusRefusalError("bus_refused", code=err_code, detail=description)
