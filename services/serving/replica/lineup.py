"""Who answers requests that name no version. Immutable, so that a flip is one assignment and a request keeps what it
took."""

from dataclasses import dataclass, replace

from contracts.bundle import ModelFormat, Signature
from contracts.inference import Streaming
from contracts.pipeline import DatasetContract
from services.serving.desired import Split
from services.serving.replica.batching import Scores
from services.serving.replica.explaining import Explaining
from services.serving.replica.reading import Reader
from services.serving.replica.split import falls_to_candidate
from services.serving.replica.tally import Tallies, Tally


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that is verified and can answer."""

    version: int
    signature: Signature
    reader: Reader
    predict: Scores
    bundle_digest: str
    explain: Explaining | None = None
    dataset: DatasetContract | None = None
    """What the columns are declared as, for those who read about the model."""
    streaming: Streaming | None = None
    """Whether and how rows that arrive on the broker are scored."""
    format: ModelFormat = ModelFormat.ONNX
    """How its model file is read, for those who ask what it is."""
    memory_bytes: int = 0
    """What it takes, as the memory budget counts."""
    tally: Tally | None = None
    """Where what it does is counted, if this is its part in a rollout."""
    shadow: "LoadedVersion | None" = None
    """Is asked a copy of what this one is asked."""


@dataclass(frozen=True, slots=True)
class Lineup:
    """The version that answers, and during a rollout the one some requests fall to."""

    answering: LoadedVersion
    split: Split | None = None
    picked: LoadedVersion | None = None
    """Has the split's share of requests: the candidate, or the version that answers, with the candidate as shadow."""

    def choose(self, routing_key: str | None, chance: float) -> LoadedVersion:
        """Choose who answers; see `falls_to_candidate`."""
        if self.split is None or self.picked is None or not falls_to_candidate(self.split, routing_key, chance):
            return self.answering
        return self.picked


def line_up(answering: LoadedVersion, split: Split, candidate: LoadedVersion, tallies: Tallies) -> Lineup:
    """Give both versions of a rollout their part."""
    counted = replace(answering, tally=tallies.of(split, answering.version))
    if answering.version == candidate.version:
        return Lineup(counted)
    candidate = replace(candidate, tally=tallies.of(split, candidate.version))
    if split.shadow:
        # Only requests that were copied are counted of both, so that the two saw the same.
        return Lineup(answering, split, replace(counted, shadow=candidate))
    return Lineup(counted, split, candidate)
