"""What is counted of one version during one step of a rollout."""

from bisect import bisect_right
from collections.abc import Sequence
from uuid import UUID

from services.serving.desired import Split, VersionTraffic


class Tally:
    """Counts what one version did with its requests."""

    def __init__(self, split: Split, version: int) -> None:
        self.rollout_id: UUID = split.rollout_id
        self.step = split.step
        self.version = version
        self.slow_s = split.slow_s
        """May become known within a step."""
        self._edges = split.score_edges
        self._requests = 0
        self._errors = 0
        self._slow = 0
        self._seconds = 0.0
        self._cells = [0.0] * (len(split.score_edges) + 1)

    def answered(self, scores: Sequence[float], seconds: float) -> None:
        """Count an answer.

        Args:
            scores: Finite, at least one.
            seconds: In the model.
        """
        self._requests += 1
        self._seconds += seconds
        if self.slow_s is not None and seconds > self.slow_s:
            self._slow += 1
        part = 1 / len(scores)
        for score in scores:
            self._cells[bisect_right(self._edges, score)] += part

    def failed(self) -> None:
        """Count a request that the version did not answer, and that was not the caller's fault."""
        self._requests += 1
        self._errors += 1

    def report(self) -> VersionTraffic:
        """Write down the counts."""
        return VersionTraffic(
            rollout_id=self.rollout_id,
            step=self.step,
            version=self.version,
            requests=self._requests,
            errors=self._errors,
            slow=self._slow,
            seconds=self._seconds,
            scores=tuple(self._cells) if self._edges else (),
        )


class Tallies:
    """Those of the step that is desired now."""

    def __init__(self) -> None:
        self._by_version: dict[int, Tally] = {}

    def follow(self, split: Split | None) -> None:
        """Start anew if it is another step; else only what is slow may have become known."""
        step = (split.rollout_id, split.step) if split else None
        self._by_version = {
            version: tally for version, tally in self._by_version.items() if (tally.rollout_id, tally.step) == step
        }
        if split:
            for tally in self._by_version.values():
                tally.slow_s = split.slow_s

    def of(self, split: Split, version: int) -> Tally:
        """Find where a version is counted."""
        return self._by_version.setdefault(version, Tally(split, version))

    def report(self) -> tuple[VersionTraffic, ...]:
        """Write down all counts."""
        return tuple(tally.report() for _, tally in sorted(self._by_version.items()))
