"""The versions one replica holds, and which of them answers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.bundle import Signature
from contracts.pipeline import DatasetContract
from services.chassis.logs import Log
from services.serving.desired import DesiredState, DesiredVersion, HeldVersion
from services.serving.domain import HoldState
from services.serving.replica.explaining import Explain
from services.serving.replica.reading import Reader

log = Log(__name__)


class Scores(Protocol):
    """Scores rows given as plain values by column: shape (n,)."""

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
        """Score."""


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that is verified and can answer."""

    version: int
    signature: Signature
    reader: Reader
    predict: Scores
    bundle_digest: str
    explain: Explain | None = None
    dataset: DatasetContract | None = None
    """What the columns are declared as, for those who read about the model."""


Load = Callable[[DesiredVersion, float], LoadedVersion]
"""Fetch, verify, load, ask the golden requests with the largest difference allowed. Blocks; raises when it fails."""


class Shelf:
    """Follows what is desired. Requests read it, so a flip is one assignment and a request keeps what it took."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._loaded: dict[int, LoadedVersion] = {}
        self._held: dict[int, HeldVersion] = {}
        self.answering: LoadedVersion | None = None
        self.changed = asyncio.Event()
        """Set whenever the report would read differently."""

    def version(self, number: int) -> LoadedVersion | None:
        """Find a loaded version."""
        return self._loaded.get(number)

    @property
    def versions(self) -> tuple[int, ...]:
        """Numbers of all loaded versions, ascending."""
        return tuple(sorted(self._loaded))

    @property
    def held(self) -> tuple[HeldVersion, ...]:
        """What was made of each desired version."""
        return tuple(one for _, one in sorted(self._held.items()))

    async def follow(self, desired: DesiredState) -> bool:
        """Make what is held what is desired; the version that answers first.

        Returns:
            Whether it is done; if not, following again may help.
        """
        self._flip(desired)
        self._forget(desired)
        for one in sorted(desired.versions, key=lambda one: (one.version != desired.answering, one.version)):
            known = self._held.get(one.version)
            # A failed candidate waits for a new rollout. The version that answers is the only one there is: again.
            retry = known is not None and known.state is HoldState.FAILED and one.version == desired.answering
            if known is None or known.rollout_id != one.rollout_id or retry:
                await self._take(one, desired.max_golden_difference)
            self._flip(desired)
        return desired.answering is None or desired.answering in self._loaded

    async def _take(self, one: DesiredVersion, max_golden_difference: float) -> None:
        self._note(one, HoldState.LOADING)
        try:
            loaded = await asyncio.to_thread(self._load, one, max_golden_difference)
        # Bundles hold code and files of any making; whatever is wrong with one must not end the replica.
        except Exception as error:
            log.exception("version did not load", version=one.version, rollout_id=str(one.rollout_id))
            self._note(one, HoldState.FAILED, f"{type(error).__name__}: {error}"[:1500])
        else:
            self._loaded[one.version] = loaded
            self._note(one, HoldState.LOADED)

    def _note(self, one: DesiredVersion, state: HoldState, detail: str = "") -> None:
        self._held[one.version] = HeldVersion(
            version=one.version, rollout_id=one.rollout_id, state=state, detail=detail
        )
        self.changed.set()

    def _flip(self, desired: DesiredState) -> None:
        if desired.answering is None:
            return
        chosen = self._loaded.get(desired.answering)
        if chosen is not None and chosen is not self.answering:
            self.answering = chosen
            self.changed.set()
            log.info("version answers", version=chosen.version)

    def _forget(self, desired: DesiredState) -> None:
        wanted = {one.version: one.bundle_digest for one in desired.versions}
        for number in set(self._held) - set(wanted):
            del self._held[number]
            self.changed.set()
        for number, loaded in list(self._loaded.items()):
            if wanted.get(number) != loaded.bundle_digest and loaded is not self.answering:
                del self._loaded[number]
                self.changed.set()
