"""How sure a sequence of windows is that quality has fallen."""

from math import inf, log

from contracts.model import Contract

SMALLEST_P = 1e-12
"""No approximation is believed further out."""


class Evidence(Contract):
    """Where a version's sequence stands after a window: all that the next one needs to know of the past."""

    statistic: float = 0.0
    """Shiryaev-Roberts statistic; once it has alarmed it begins anew."""
    threshold: float = inf
    """Alarms from here on. It is also the average number of windows between false alarms, at least."""
    p: float | None = None
    """Unset if the window had no quality, or there were too few blocks to hold it against."""
    e_value: float | None = None
    blocks: int = 0
    """What p goes by: the window's own days, else held-out blocks and windows before it."""
    known: int = 0
    """Values of held-out blocks and windows so far, with their mean and sum of squares about it."""
    mean: float = 0.0
    squares: float = 0.0

    @property
    def alarms(self) -> bool:
        """Tell whether this is the window that makes it sure."""
        return self.statistic >= self.threshold

    def knowing(self, value: float) -> "Evidence":
        """Remember what one more block was like."""
        known, off = self.known + 1, value - self.mean
        mean = self.mean + off / known
        return self.model_copy(update={"known": known, "mean": mean, "squares": self.squares + off * (value - mean)})


def e_value_of(p: float) -> float:
    """Turn a p-value into an e-value: the mixture of all power calibrators, which has nothing to be tuned.

    Its mean is at most 1 as long as p falls below any u no more often than u (Vovk and Wang, Annals of Statistics,
    2021).
    """
    p = max(p, SMALLEST_P)
    # Near 1 the formula is 0/0; its limit is a half.
    return 0.5 if p > 1 - 1e-6 else (1 - p + p * log(p)) / (p * log(p) ** 2)
