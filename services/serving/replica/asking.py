"""Asking the models: each version through batches and threads of its own, so that none waits for another's."""

import traceback
from collections.abc import Sequence
from math import isfinite
from time import monotonic

from everloop.bundle.rows import InputError
from services.chassis.logs import Log
from services.serving.replica.batching import Batches, Limits, ModelError, Scored
from services.serving.replica.errors import MODEL_FAILED, RequestError
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.question import Question
from services.serving.replica.shadows import Shadows
from services.serving.replica.shelf import Shelf
from services.serving.replica.tally import Tally

COMPLAIN_EVERY_S = 5.0

log = Log(__name__)


class Asking:
    """Gets scores, counts what a rollout wants to know, and says every failure in the caller's words."""

    def __init__(self, shelf: Shelf, limits: Limits) -> None:
        self.answered = 0
        self.failed = 0
        self.shadows = Shadows()
        self._shelf = shelf
        self._limits = limits
        self._lanes: dict[tuple[int, bool], Batches] = {}
        self._calls_before = 0
        self._complained_at = float("-inf")
        shelf.when_gone = self._leave

    @property
    def calls(self) -> int:
        """Calls of models so far."""
        return self._calls_before + sum(lane.calls for lane in self._lanes.values())

    def hung_s(self) -> float:
        """Tell for how long a call of the version that answers has not returned; 0: none."""
        answering = self._shelf.answering
        # A candidate that hangs is a matter of its rollout; another replica would only hang again.
        numbers = {answering.version} if answering else set()
        return max((lane.hung_s() for (number, _), lane in self._lanes.items() if number in numbers), default=0.0)

    async def scores(self, chosen: LoadedVersion, question: Question) -> list[float]:
        """Score the rows of a question.

        Raises:
            RequestError: The model refused, failed or took too long.
        """
        try:
            scored = await self._lane(chosen, question.rows).ask(question.columns, question.rows)
            scores = _finite(scored)
        except InputError as error:
            raise RequestError(400, str(error)) from error
        except (ModelError, RequestError) as error:
            self.failed += 1
            self._count(chosen, question, None)
            if isinstance(error, RequestError):
                raise
            self._complain(chosen.version, error)
            raise RequestError(500, MODEL_FAILED) from error
        self.answered += 1
        self._count(chosen, question, scored)
        return scores

    def _count(self, chosen: LoadedVersion, question: Question, scored: Scored | None) -> None:
        if chosen.tally is None:
            return
        if chosen.shadow is None:
            count(chosen.tally, scored)
            return
        champion, shadow = chosen.tally, chosen.shadow

        def both(of_shadow: Scored | None) -> None:
            count(champion, scored)
            if shadow.tally is not None:
                count(shadow.tally, of_shadow)

        self.shadows.ask(self._lane(shadow, question.rows), question, both)

    def _lane(self, chosen: LoadedVersion, rows: int) -> Batches:
        """Find a version's batches; those of requests too large to be joined are no one's neighbours."""
        key = chosen.version, rows > self._limits.rows
        lane = self._lanes.get(key)
        if lane is None or lane.predict is not chosen.predict:
            self._forget([one for one in self._lanes if one == key or not self._shelf.holds(one[0])])
            lane = self._lanes[key] = Batches(chosen.predict, self._limits, name=f"version {chosen.version}")
        return lane

    def _leave(self, version: int) -> None:
        self._forget([key for key in self._lanes if key[0] == version])

    def _forget(self, lanes: Sequence[tuple[int, bool]]) -> None:
        # Whoever waits in one is answered all the same.
        for key in lanes:
            self._calls_before += self._lanes.pop(key).calls

    def _complain(self, version: int, error: ModelError) -> None:
        # Under load every request would say the same. Messages of a model's making can hold what was asked.
        if monotonic() - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = monotonic()
            frames = traceback.format_tb(error.__cause__.__traceback__) if error.__cause__ else []
            log.error("model failed", version=version, error=str(error), stack="".join(frames))


def count(tally: Tally, scored: Scored | None) -> None:
    """Count what became of one request; None: it was not answered."""
    scores = scored.scores.tolist() if scored else []
    if scored and all(map(isfinite, scores)):
        tally.answered(scores, scored.seconds)
    else:
        tally.failed()


def _finite(scored: Scored) -> list[float]:
    scores: list[float] = scored.scores.tolist()
    if not all(map(isfinite, scores)):
        raise ModelError("a score is no number")
    return scores
