"""Whether the answers to a pipeline's known rows are computed before anybody asks, and when again."""

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from contracts.model import Contract

if TYPE_CHECKING:
    from contracts.pipeline import Column, DatasetContract


class Precompute(Contract):
    """Scores every row of the newest dataset version with the version that answers, to be looked up by key."""

    key: tuple[str, ...] = Field(
        default=(), max_length=8, description="Columns that name a row when it is looked up; unset: those that are ids."
    )
    on_promotion: bool = Field(default=True, description="Compute when another version answers.")
    on_dataset: bool = Field(default=True, description="Compute when the dataset has a new version.")
    max_age: timedelta | None = Field(
        default=None, gt=timedelta(0), description="From then on a row is stale and scored anew; unset: never."
    )
    in_process_max_rows: int = Field(
        default=5_000_000, ge=0, description="Up to so many rows one process scores them; above, Ray Data does."
    )
    cpus: float = Field(default=1.0, ge=0, description="CPU slots the job's own process reserves in Ray.")
    timeout_s: float = Field(default=3600, gt=0, description="Longest one attempt may run.")
    max_attempts: int = Field(default=3, ge=1, le=10, description="How often a crashed job is started in all.")

    def key_columns(self, dataset: "DatasetContract") -> tuple["Column", ...]:
        """Find the columns that name a row.

        Raises:
            ValueError: There are none, one is not declared, or one has no exact text, as numbers have not.
        """
        declared = {column.name: column for column in dataset.columns}
        if unknown := [name for name in self.key if name not in declared]:
            raise ValueError(f"the key names columns that are not declared: {', '.join(unknown)}")
        ids = [column.name for column in dataset.columns if column.role == "id"]
        found = tuple(declared[name] for name in self.key or ids)
        if not found:
            raise ValueError("precompute needs a key: give columns the role id, or name them in precompute.key")
        if inexact := [column.name for column in found if column.type == "number"]:
            raise ValueError(f"a number is no key: {', '.join(inexact)}")
        return found
