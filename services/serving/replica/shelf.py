"""The versions one replica holds, and which of them answers."""

import asyncio
from collections.abc import Callable
from time import monotonic

from services.chassis.logs import Log
from services.serving.desired import DesiredState, DesiredVersion, HeldVersion, VersionTraffic
from services.serving.domain import HoldState
from services.serving.replica.lineup import Lineup, LoadedVersion, line_up
from services.serving.replica.tally import Tallies

log = Log(__name__)

Load = Callable[[DesiredVersion, float], LoadedVersion]
"""Fetch, verify, load, ask the golden requests with the largest difference allowed. Blocks; raises when it fails."""


class Shelf:
    """Follows what is desired. What is only kept goes when memory is short, the least recently asked first."""

    def __init__(self, load: Load, *, budget_bytes: int | None = None, retry_s: float = 2.0) -> None:
        """Start empty.

        Args:
            load: Loads a version, in a thread.
            budget_bytes: What all versions may take; those that are desired stay, whatever they take.
            retry_s: Pause before the version that should answer is tried again.
        """
        self._load = load
        self._budget_bytes = budget_bytes
        self._retry_s = retry_s
        self._failed_at = float("-inf")
        self._loaded: dict[int, LoadedVersion] = {}
        self._held: dict[int, HeldVersion] = {}
        self._asked_at: dict[int, float] = {}
        self._left_out: set[str] = set()
        self._tallies = Tallies()
        self._unfit_since: float | None = None
        self.lineup: Lineup | None = None
        """Who answers; None: nobody yet."""
        self.changed = asyncio.Event()
        """Set whenever the report would read differently."""
        self.answers = asyncio.Event()
        """Set once a version answers."""
        self.when_gone: Callable[[int], None] = lambda _: None
        """Told the number of each version that is let go, so that nobody else keeps its memory."""

    @property
    def answering(self) -> LoadedVersion | None:
        """The version that answers."""
        return self.lineup.answering if self.lineup else None

    def version(self, number: int) -> LoadedVersion | None:
        """Find a loaded version that someone asks for."""
        found = self._loaded.get(number)
        if found is not None:
            self._asked_at[number] = monotonic()
        return found

    def holds(self, number: int) -> bool:
        """Tell whether a version is loaded; unlike `version`, this is not asking for it."""
        return number in self._loaded

    @property
    def versions(self) -> tuple[int, ...]:
        """Numbers of all loaded versions, ascending."""
        return tuple(sorted(self._loaded))

    @property
    def held(self) -> tuple[HeldVersion, ...]:
        """What was made of each desired version."""
        return tuple(one for _, one in sorted(self._held.items()))

    @property
    def traffic(self) -> tuple[VersionTraffic, ...]:
        """What was counted during the step that is desired now."""
        return self._tallies.report()

    def unfit_s(self) -> float:
        """Tell for how long another version answers than the one that should; 0: all is well."""
        return 0.0 if self._unfit_since is None else monotonic() - self._unfit_since

    async def follow(self, desired: DesiredState) -> bool:
        """Make what is held what is desired; the version that answers first.

        Returns:
            Whether it is done; if not, following again may help.
        """
        self._arrange(desired)
        self._forget(desired)
        for one in sorted(desired.versions, key=lambda one: (one.version != desired.answering, one.version)):
            known = self._held.get(one.version)
            if known is None or known.rollout_id != one.rollout_id:
                self._note(one, HoldState.LOADING)
                await self._take(one, desired)
            # A failed candidate waits for a new rollout. The version that answers is the only one there is: again.
            elif known.state is HoldState.FAILED and one.version == desired.answering and self._may_retry():
                await self._take(one, desired)
            self._arrange(desired)
        self._forget(desired)
        fit = desired.answering is None or desired.answering in self._loaded
        if fit:
            self._unfit_since = None
        elif self._unfit_since is None:
            self._unfit_since = monotonic()
        return fit

    async def keep_one(self, desired: DesiredState) -> bool:
        """Load one of the earlier versions, if it fits; nothing that is here goes for it.

        Returns:
            Whether there was one to try.
        """
        here = self._loaded.keys() | {one.version for one in desired.versions}
        one = next(
            (one for one in desired.keep if one.version not in here and one.bundle_digest not in self._left_out), None
        )
        if one is None:
            return False
        try:
            loaded = await asyncio.to_thread(self._load, one, desired.max_golden_difference)
        # As below; but nobody waits for this one.
        except Exception as error:
            self._left_out.add(one.bundle_digest)
            log.warning("earlier version does not load", version=one.version, error=type(error).__name__)
            return True
        if self._over_budget(loaded.memory_bytes):
            self._left_out.add(one.bundle_digest)
            log.info("earlier version does not fit", version=one.version, memory_bytes=loaded.memory_bytes)
            return True
        self._loaded[one.version] = loaded
        self.changed.set()
        return True

    async def _take(self, one: DesiredVersion, desired: DesiredState) -> None:
        try:
            loaded = await asyncio.to_thread(self._load, one, desired.max_golden_difference)
        # Bundles hold code and files of any making; whatever is wrong with one must not end the replica.
        except Exception as error:
            log.exception("version did not load", version=one.version, rollout_id=str(one.rollout_id))
            self._note(one, HoldState.FAILED, f"{type(error).__name__}: {error}"[:1500])
            self._failed_at = monotonic()
        else:
            self._loaded[one.version] = loaded
            self._note(one, HoldState.LOADED)

    def _may_retry(self) -> bool:
        # Each failure is reported, and each report is a reason to look at the board again.
        return monotonic() - self._failed_at >= self._retry_s

    def _over_budget(self, more_bytes: int = 0) -> bool:
        taken = sum(one.memory_bytes for one in self._loaded.values())
        return self._budget_bytes is not None and taken + more_bytes > self._budget_bytes

    def _make_room(self, desired: DesiredState) -> None:
        needed = {one.version for one in desired.versions} | self._in_use()
        spare = sorted(self._loaded.keys() - needed, key=lambda number: self._asked_at.get(number, 0.0))
        for number in spare:
            if not self._over_budget():
                break
            self._left_out.add(self._loaded[number].bundle_digest)
            self._let_go(number)
            log.info("earlier version makes room", version=number)

    def _note(self, one: DesiredVersion, state: HoldState, detail: str = "") -> None:
        self._held[one.version] = HeldVersion(
            version=one.version, rollout_id=one.rollout_id, state=state, detail=detail
        )
        self.changed.set()

    def _arrange(self, desired: DesiredState) -> None:
        """Put everyone in their place, if the version that should answer can; all at once."""
        chosen = self._loaded.get(desired.answering) if desired.answering else None
        if chosen is None:
            return
        before, split = self.answering, desired.split
        self._tallies.follow(split)
        lineup = Lineup(chosen)
        if split and (candidate := self._loaded.get(split.candidate)):
            lineup = line_up(chosen, split, candidate, self._tallies)
        if lineup != self.lineup:
            self.lineup = lineup
            self.changed.set()
            self.answers.set()
        if before is None or before.predict is not chosen.predict:
            log.info("version answers", version=chosen.version)

    def _in_use(self) -> set[int]:
        if self.lineup is None:
            return set()
        return {one.version for one in (self.lineup.answering, self.lineup.picked) if one}

    def _forget(self, desired: DesiredState) -> None:
        wanted = {one.version: one.bundle_digest for one in (*desired.keep, *desired.versions)}
        for number in self._held.keys() - {one.version for one in desired.versions}:
            del self._held[number]
            self.changed.set()
        for number, loaded in list(self._loaded.items()):
            if wanted.get(number) != loaded.bundle_digest and number not in self._in_use():
                self._let_go(number)
                self.changed.set()
        self._make_room(desired)

    def _let_go(self, number: int) -> None:
        del self._loaded[number]
        self._asked_at.pop(number, None)
        self.when_gone(number)
