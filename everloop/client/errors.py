"""What can go wrong between a client and a platform.

ClientError
├── NotRunningError            nobody runs a platform here
├── PlatformUnreachableError   it should run, and does not answer (yet)
├── BusyError                  a queue is full; again later
├── RefusedError               understood, and no
└── TimedOutError              what was waited for did not happen in time
"""


class ClientError(Exception):
    """Something a person can be told in one sentence."""


class NotRunningError(ClientError):
    """No platform runs on the directory."""


class PlatformUnreachableError(ClientError):
    """A part of the platform does not answer."""


class BusyError(ClientError):
    """The platform takes no more until it has worked off what it has."""


class RefusedError(ClientError):
    """The platform, or the message's own schema, says no."""


class TimedOutError(ClientError):
    """The awaited fact was not said in time."""
