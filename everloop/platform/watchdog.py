"""Outlives the supervisor by a moment to end what it left: ``python -m everloop.platform.watchdog TOKEN``.

It reads a pipe whose other end only the supervisor holds. When that closes, the supervisor is gone, even
by kill -9, and whatever still carries its token is killed.
"""

import os
import signal
import sys

from everloop.platform.descendants import sweep


def main() -> None:
    """Wait for the end of the supervisor, then sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 1):
        continue
    sweep(sys.argv[1])


if __name__ == "__main__":
    main()
