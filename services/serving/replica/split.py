"""Who answers a request while a rollout is under way. Pure: chance is an argument."""

from hashlib import blake2b
from uuid import UUID

from services.serving.desired import Split


def place(rollout_id: UUID, routing_key: str) -> float:
    """Give a key its place in a rollout, even over [0, 1).

    The same in every replica and at every step, so that a growing share keeps the keys it had; another one in the next
    rollout, so that it is not always the same callers who go first.
    """
    digest = blake2b(routing_key.encode("utf-8", "surrogatepass"), digest_size=8, key=rollout_id.bytes).digest()
    # A float holds 53 bits; with all 64 the last places would round up to 1.
    return (int.from_bytes(digest) >> 11) / (1 << 53)


def falls_to_candidate(split: Split, routing_key: str | None, chance: float) -> bool:
    """Decide whether the candidate answers, or is asked a copy.

    Args:
        split: What is desired.
        routing_key: Of the request; unset: each request is for itself.
        chance: A random number from [0, 1) for requests without a key.
    """
    return (chance if routing_key is None else place(split.rollout_id, routing_key)) < split.share
