"""How a promoted version takes over the traffic: all at once, or step by step and guarded.

Rollout()                                                      all at once
Rollout(bake=timedelta(minutes=10))                            blue/green: a way back at once
Rollout(steps=(Shadow(), Canary(share=0.05), Canary(share=0.5)), bake=timedelta(minutes=10))
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.model import Contract

MINUTE = timedelta(minutes=1)


class Shadow(Contract):
    """The candidate is asked a copy of some requests. Its answers are compared, and nobody gets them."""

    kind: Literal["shadow"] = "shadow"
    share: float = Field(default=1.0, gt=0, le=1, description="Of the requests, by their routing key.")
    bake: timedelta = Field(default=5 * MINUTE, ge=timedelta(0), description="Least time in this step.")
    min_requests: int = Field(default=200, ge=0, description="Fewest requests the candidate must have been asked.")
    max_wait: timedelta = Field(
        default=60 * MINUTE, gt=timedelta(0), description="Longest wait for that many; `when_quiet` says what then."
    )


class Canary(Contract):
    """The candidate answers some requests. A routing key that it answers once, it answers in later steps too."""

    kind: Literal["canary"] = "canary"
    share: float = Field(gt=0, lt=1, description="Of the requests, by their routing key.")
    bake: timedelta = Field(default=5 * MINUTE, ge=timedelta(0), description="Least time in this step.")
    min_requests: int = Field(default=200, ge=0, description="Fewest requests the candidate must have been asked.")
    max_wait: timedelta = Field(
        default=60 * MINUTE, gt=timedelta(0), description="Longest wait for that many; `when_quiet` says what then."
    )


Step = Annotated[Shadow | Canary, Field(discriminator="kind")]


class WhenQuiet(StrEnum):
    """What becomes of a step that sees too few requests for as long as it may wait."""

    GO_ON = "go_on"
    """Nothing was seen wrong. A version nobody asks harms nobody, and the tests go on in the next step."""
    PAUSE = "pause"
    """A person decides."""
    ROLL_BACK = "roll_back"
    """A version that was not seen to be good is not good enough."""


class Guard(Contract):
    """When a rollout is rolled back without asking anybody.

    Every test is against the version that answers, on the same stretch of time, and can be looked at as often as one
    likes: the rate holds for the whole rollout.
    """

    false_rollback_rate: float = Field(
        default=0.01,
        gt=0,
        lt=0.5,
        description="Largest share of harmless candidates rolled back by all tests together.",
    )
    max_error_ratio: float = Field(default=1.5, ge=1, description="Errors allowed, as a multiple of the champion's.")
    max_slow_ratio: float = Field(default=2.0, ge=1, description="Slow answers allowed, as such a multiple.")
    min_rate: float = Field(default=0.001, ge=0, lt=1, description="Share of errors or slow answers that is harmless.")
    max_error_rate: float = Field(default=0.5, gt=0, lt=1, description="Errors allowed, whatever the champion does.")
    slow_s: float | None = Field(default=None, gt=0, description="An answer that takes longer is slow.")
    slow_factor: float = Field(
        default=3.0, gt=1, description="Where slow_s is unset: slow is longer than the champion's mean, so many times."
    )
    max_shift: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Largest distance allowed between the distributions of scores: the share of requests by which the "
        "two versions differ below any one score.",
    )
    quality: bool = Field(default=True, description="Whether a degraded quality of the candidate rolls it back.")


class Scaling(Contract):
    """How many replicas there are: as many as the requests need."""

    min_replicas: int = Field(
        default=1, ge=0, le=64, description="0: none while nobody asks; the next request waits until one has started."
    )
    max_replicas: int = Field(ge=1, le=64)
    target_ongoing_requests: float = Field(
        default=8, gt=0, description="Requests in one replica at once, waiting ones among them, that are right."
    )
    idle: timedelta = Field(
        default=5 * MINUTE, gt=timedelta(0), description="How long fewer must have been enough before there are fewer."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("min_replicas is more than max_replicas")
        return self


class Rollout(Contract):
    """How a promoted version takes over the traffic. The first version of a model has nothing to be held against
    and takes over at once."""

    replicas: int = Field(default=1, ge=1, le=64, description="Where they scale: the fewest during a rollout.")
    scaling: Scaling | None = Field(default=None, description="Unset: there are always as many as `replicas` says.")
    max_golden_difference: float = Field(
        default=1e-5, ge=0, description="Largest difference allowed between a golden answer and the replica's."
    )
    timeout_s: float = Field(default=120, gt=0, description="Longest a replica may take to load and pass.")
    steps: tuple[Step, ...] = Field(default=(), max_length=20, description="Before all traffic; none: at once.")
    bake: timedelta = Field(
        default=timedelta(0), ge=timedelta(0), description="Watched after all traffic, with the way back still open."
    )
    bake_share: float = Field(
        default=0.1, gt=0, le=1, description="Of the requests, those the former version is asked a copy of meanwhile."
    )
    when_quiet: WhenQuiet = WhenQuiet.GO_ON
    guard: Guard = Guard()

    @model_validator(mode="after")
    def _check(self) -> Self:
        shares = [step.share for step in self.steps if isinstance(step, Canary)]
        if shares != sorted(set(shares)):
            raise ValueError("the shares of the canary steps must grow")
        if any(step.max_wait < step.bake for step in self.steps):
            raise ValueError("a step may not wait for less than its bake time")
        return self
