"""How sure a sequence of windows is that quality has fallen."""

from math import exp, inf

from scipy.special import ndtri

from contracts.model import Contract

SMALLEST_P = 1e-12
"""No approximation is believed further out."""
BETS = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Losses of a window, in its own standard errors, that are bet on: small ones need many windows, large ones a few."""


class Evidence(Contract):
    """Where a version's sequence stands after a window: all that the next one needs to know of the past."""

    statistic: float = 0.0
    """Mean of the bets' Shiryaev-Roberts statistics; once it has alarmed they begin anew."""
    bets: tuple[float, ...] = (0.0,) * len(BETS)
    """These."""
    threshold: float = inf
    """Alarms from here on. It is also the average number of windows between false alarms, at least."""
    p: float | None = None
    """Unset if the window had no quality, or there were too few blocks to hold it against."""
    blocks: int = 0
    """What p goes by: the window's own days, else held-out blocks and windows before it."""
    unsure: float = 0.0
    """What the held-out quality itself may be wrong by: a window has to be worse by that much more."""
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


def e_values_of(p: float) -> tuple[float, ...]:
    """Turn a p-value into e-values, one for each bet on how far quality has fallen.

    The mean of each is at most 1 as long as p falls below any u no more often than u: it falls with p, and is the
    likelihood ratio of a normal variable where p is exact (Vovk and Wang, Annals of Statistics, 2021).
    """
    z = -float(ndtri(max(p, SMALLEST_P)))
    return tuple(exp(bet * z - bet**2 / 2) for bet in BETS)
