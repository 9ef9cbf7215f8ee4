"""A command is said once, and what it leads to is heard until something answers it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from contracts.envelope import seal
from contracts.message import Message
from contracts.serving import PauseRollout, RolloutPaused
from everloop.cli.exits import CommandError, Exit
from everloop.cli.session import outcome
from everloop.client import Platform
from everloop.client.bus import Heard

COMMAND = PauseRollout(pipeline="flights", requested_by="ada", reason="to look")
PAUSED = RolloutPaused(pipeline="flights", rollout_id=UUID(int=1), version=3, paused_by="ada", reason="to look")


class Story:
    """A platform on which one story is heard."""

    def __init__(self, *messages: Message | None) -> None:
        self.bus = self
        self.asked: dict[str, Any] = {}
        self.over = False
        self._messages = messages

    async def say(self, command: object, *, source: str) -> SimpleNamespace:
        return SimpleNamespace(message_id="said", mark=7)

    async def story(self, message_id: str, **asked: object) -> AsyncIterator[Heard]:
        self.asked = {"message_id": message_id, **asked}
        now = datetime(2026, 1, 2, tzinfo=UTC)
        envelope = seal(PAUSED, message_id="heard", source="serving", time=now)
        try:
            for place, message in enumerate(self._messages):
                yield Heard(place, now, envelope, message)
        finally:
            self.over = True


async def test_the_first_message_that_answers_is_the_outcome() -> None:
    story = Story(None, COMMAND, PAUSED, COMMAND)

    fact = await outcome(cast(Platform, story), COMMAND, lambda one: one if one is PAUSED else None, within_s=5)

    assert fact is PAUSED
    assert story.asked == {"message_id": "said", "since": 7, "within_s": 5, "pipeline": "flights"}
    assert story.over


async def test_a_story_that_ends_before_it_is_answered_may_be_tried_again() -> None:
    with pytest.raises(CommandError) as ended:
        await outcome(cast(Platform, Story(None, PAUSED)), COMMAND, lambda _: None, within_s=5)

    assert ended.value.code is Exit.TRY_AGAIN
