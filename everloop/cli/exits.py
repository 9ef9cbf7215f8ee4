"""Exit codes, and which error means which.

0   done
1   failed, or refused by a rule
2   wrong usage
3   no platform runs here
75  not now: a queue is full, a part does not answer, or a wait took too long; trying again may work
130 interrupted
"""

from enum import IntEnum


class Exit(IntEnum):
    """What the command tells the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    TRY_AGAIN = 75
    INTERRUPTED = 130


class CommandError(Exception):
    """A command failed; the text is the one sentence a person sees."""

    def __init__(self, sentence: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(sentence)
        self.code = code


def exit_of(error: Exception) -> Exit | None:
    """Find the exit code of an error that a person can be told in a sentence; None for a bug."""
    if isinstance(error, CommandError):
        return error.code

    from everloop.archive import ArchiveError
    from everloop.bundle.manifest import BundleError
    from everloop.client.errors import BusyError, ClientError, NotRunningError, PlatformUnreachableError, TimedOutError
    from everloop.export import ExportError
    from everloop.models.errors import ModelError, ModelNameError, ModelUnavailableError
    from everloop.platform.config import ConfigError
    from everloop.platform.home import HomeTakenError
    from everloop.platform.nats import NatsMissingError
    from everloop.platform.ports import PortTakenError
    from everloop.storage import StorageError

    match error:
        case NotRunningError():
            return Exit.NOT_RUNNING
        case BusyError() | ModelUnavailableError() | PlatformUnreachableError() | TimedOutError():
            return Exit.TRY_AGAIN
        case ConfigError() | ModelNameError() | PortTakenError():
            return Exit.USAGE
        case (
            ClientError()
            | ArchiveError()
            | BundleError()
            | ExportError()
            | ModelError()
            | HomeTakenError()
            | NatsMissingError()
            | StorageError()
        ):
            return Exit.FAILED
    return None
