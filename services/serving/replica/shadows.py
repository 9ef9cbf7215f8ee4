"""Copies of requests for a version on trial: asked behind the request's back, and their answers go nowhere."""

import asyncio
from collections.abc import Callable

from services.serving.replica.batching import Batches, Scored
from services.serving.replica.errors import RequestError
from services.serving.replica.question import Question

MOST_COPIES = 256
MOST_ROWS = 20_000
"""Under way at once. A shadow slower than the version that answers is asked fewer, and delays nobody."""

Heard = Callable[[Scored | None], None]
"""Takes what the shadow answered; None: it failed."""


class Shadows:
    """Asks copies, so many at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.dropped = 0
        self._copies = 0
        self._rows = 0

    def ask(self, batches: Batches, question: Question, heard: Heard) -> None:
        """Ask a copy, unless too many are under way: then nothing is heard."""
        if self._copies >= MOST_COPIES or self._rows + question.rows > MOST_ROWS:
            self.dropped += 1
            return
        self.asked += 1
        try:
            answer = batches.ask(question.columns, question.rows)
        except RequestError:
            heard(None)
            return
        self._copies += 1
        self._rows += question.rows

        def done(answer: asyncio.Future[Scored]) -> None:
            self._copies -= 1
            self._rows -= question.rows
            failed = answer.cancelled() or answer.exception() is not None
            heard(None if failed else answer.result())

        answer.add_done_callback(done)
