"""What versions were seen to do with the requests they were asked. Counts, added over replicas and time."""

from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one version did with its requests."""

    requests: int = 0
    """Those answered wrongly or not at all among them; refusals are the caller's fault and do not count."""
    errors: int = 0
    slow: int = 0
    seconds: float = 0.0
    """Summed over answers."""
    scores: tuple[float, ...] = ()
    """Per cell, the share of an answer's rows in it, summed over answers."""

    def __add__(self, other: "Traffic") -> "Traffic":
        return self._with(other, 1)

    def __sub__(self, other: "Traffic") -> "Traffic":
        return self._with(other, -1)

    def _with(self, other: "Traffic", sign: int) -> "Traffic":
        return Traffic(
            self.requests + sign * other.requests,
            self.errors + sign * other.errors,
            self.slow + sign * other.slow,
            self.seconds + sign * other.seconds,
            tuple(ours + sign * theirs for ours, theirs in zip_longest(self.scores, other.scores, fillvalue=0.0)),
        )


NOTHING = Traffic()


@dataclass(frozen=True, slots=True)
class Arms:
    """Both versions, side by side."""

    candidate: Traffic = NOTHING
    champion: Traffic = NOTHING

    def __add__(self, other: "Arms") -> "Arms":
        return Arms(self.candidate + other.candidate, self.champion + other.champion)

    def __sub__(self, other: "Arms") -> "Arms":
        return Arms(self.candidate - other.candidate, self.champion - other.champion)
