"""Ingestion that kills itself with SIGKILL, once, right before or after one of its calls.

``python -m tests.integration.ingestion.crashing MODULE CLASS METHOD before|after WITNESS``: the witness is a file
that is written before dying; where it is there already, ingestion runs as ever.
"""

import importlib
import os
import signal
import sys
from pathlib import Path

from services.ingestion.main import main


def die_once(module: str, class_: str, method: str, moment: str, witness: Path) -> None:
    """Put the crash in the method's place."""
    owner = getattr(importlib.import_module(module), class_)
    original = getattr(owner, method)

    async def dying(*arguments: object, **options: object) -> object:
        if moment == "after":
            await original(*arguments, **options)
        witness.touch()  # noqa: ASYNC240
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    if not witness.exists():
        setattr(owner, method, dying)


if __name__ == "__main__":
    *where, witness = sys.argv[1:]
    die_once(*where, Path(witness))  # type: ignore[call-arg,arg-type]
    main()
