"""Keep a loaded model at the version its alias points at, from one thread that looks now and then.

Polling rather than a subscription: one small question every few seconds, spread out so that a thousand programs don't
ask at once, needs nothing but the registry's HTTP API and survives everything between here and there.
"""

import logging
import os
import random
import threading
from collections.abc import Callable
from functools import cache
from weakref import WeakSet, ref

from everloop.models.errors import ModelError
from everloop.models.loaded import Held, LoadedModel
from everloop.models.names import Alias, ModelName
from everloop.models.registry import Registry, Resolved
from everloop.storage import StorageError

log = logging.getLogger(__name__)

FOLLOW_S = 10.0
JITTER = 0.2
"""How much sooner or later than asked for a look may be, as a fraction."""


class Follower:
    """Looks after one model, for as long as somebody else holds it."""

    def __init__(
        self,
        model: LoadedModel,
        name: ModelName,
        registry: Registry,
        change: Callable[[Resolved], Held],
        every_s: float,
    ) -> None:
        """Prepare to follow.

        Args:
            model: Its version is changed.
            name: Has an alias.
            registry: Says where the alias points.
            change: Loads another version and verifies it.
            every_s: Time between two looks.
        """
        self._model = ref(model)
        self._name = name
        self._registry = registry
        self._change = change
        self._every_s = every_s
        self._refused: int | None = None
        self._told = ""
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to look, unless it is over."""
        if not self._over.is_set():
            # A thread of the program before a fork may have held the lock of the event it waited on.
            self._over = threading.Event()
            threading.Thread(target=self._run, args=(self._over,), name=f"follow {self._name}", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def look(self) -> None:
        """Look once, and change the model's version if the alias points at another.

        A version that can't be loaded is told in the log and leaves the model as it was. What can't be had now is
        tried again; what is not as it should be is left alone until the alias has moved.
        """
        model = self._model()
        if model is None:
            self.stop()
            return
        try:
            self._step(model)
        # A person's feature code is run here and may raise anything; the thread must live.
        except Exception as error:
            self._tell(f"{self._name} stays at version {model.version}: {str(error) or type(error).__name__}")

    def _step(self, model: LoadedModel) -> None:
        assert isinstance(self._name.which, Alias), "only an alias moves"
        number = self._registry.points_at(self._name.model, self._name.which)
        if number is None:
            raise ModelError(f"{self._name.which} points at no version")
        if number == model.version:
            self._told, self._refused = "", None
        elif number != self._refused:
            resolved = self._registry.resolve(self._name)
            try:
                held = self._change(resolved)
            except (ModelError, StorageError):
                raise
            except Exception:
                self._refused = resolved.version
                raise
            log.info("%s changes from version %s to %s", self._name, model.version, resolved.version)
            # One assignment: a call has taken the old version, or takes the new one.
            model._held = held
            self._told, self._refused = "", None

    def _tell(self, sentence: str) -> None:
        # Every few seconds the same: once is enough.
        if sentence != self._told:
            self._told = sentence
            log.warning("%s", sentence)

    def _run(self, over: threading.Event) -> None:
        while not over.wait(self._every_s * random.uniform(1 - JITTER, 1 + JITTER)):  # noqa: S311 - spreads, hides nothing
            self.look()


def follow_alias(
    model: LoadedModel, name: ModelName, registry: Registry, change: Callable[[Resolved], Held], every_s: float
) -> Follower:
    """Follow until the model is closed or forgotten; takes the arguments of ``Follower``."""
    follower = Follower(model, name, registry, change, every_s)
    model._on_close = follower.stop
    _followers().add(follower)
    follower.start()
    return follower


@cache
def _followers() -> WeakSet[Follower]:
    """Remember who follows: a forked child has their models and not their threads, and starts its own."""
    followers: WeakSet[Follower] = WeakSet()

    def resume() -> None:
        for follower in list(followers):
            follower.start()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=resume)
    return followers
