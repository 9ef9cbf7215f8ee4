"""What a pipeline's runs may take in one day, and what they have taken."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from contracts.pipeline import Budget
from services.training.schedule import zone_of


@dataclass(frozen=True, slots=True)
class Spent:
    """What the runs that began on one day have taken."""

    runs: int = 0
    compute_s: float = 0.0
    expected_s: float = 0.0
    """Compute-seconds the next run is expected to take: those of the latest that succeeded, on whatever day."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget on one day."""

    budget: Budget
    spent: Spent
    ends_at: datetime
    """When the day ends and the budget is whole again."""

    @property
    def runs_left(self) -> int | None:
        """Runs that may begin yet; None where they are not counted."""
        return None if self.budget.max_runs is None else max(self.budget.max_runs - self.spent.runs, 0)

    @property
    def compute_left_s(self) -> float | None:
        """Compute-seconds that are left; None where they are not counted."""
        limit = self.budget.max_compute_s
        return None if limit is None else max(limit - self.spent.compute_s, 0.0)

    @property
    def exhausted(self) -> str | None:
        """Why no automatic run may begin today; None if one may."""
        if self.runs_left == 0:
            return f"{self.spent.runs} of {self.budget.max_runs} runs of the day have begun"
        if self.compute_left_s is None or self.spent.runs == 0 or self.spent.expected_s <= self.compute_left_s > 0:
            return None
        return (
            f"{self.compute_left_s:.0f} of {self.budget.max_compute_s:.0f} compute-seconds of the day are left, "
            f"and a run is expected to take {self.spent.expected_s:.0f}"
        )


def day_of(budget: Budget, now: datetime) -> tuple[datetime, datetime]:
    """Get the beginning and the end of the day, by the budget's own clock, in UTC."""
    zone = zone_of(budget.time_zone)
    today = now.astimezone(zone).date()
    begins, ends = (datetime.combine(day, time(), zone) for day in (today, today + timedelta(days=1)))
    return begins.astimezone(UTC), ends.astimezone(UTC)
