"""Configurations in the broker's words, and a broker that does not listen."""

from itertools import combinations
from typing import Any, cast

import pytest

from contracts.catalog import MESSAGES
from contracts.message import Event
from contracts.streams import COMMANDS, EVENTS, PREDICTIONS, STREAMS
from contracts.training import CancelTrainingRun, StartTrainingRun, TrainingRunSucceeded
from services.chassis.bus import Bus, NotOnBusError
from services.chassis.consumers import consumers_of, durable_of
from services.chassis.handling import Retries
from services.chassis.streams import ConfigurationIgnoredError, difference, reconcile_stream, stream_config
from services.chassis.subscriptions import Subscription


class ForgetfulBroker:
    """Takes any configuration and keeps half of it, as old servers do."""

    async def ask(self, what: str, **request: Any) -> dict[str, Any]:
        if what.startswith("STREAM.INFO"):
            raise NotOnBusError("not_on_bus")
        return {"config": {"name": request["name"]}}


async def test_setting_that_the_broker_ignores_is_refused() -> None:
    broker = cast(Bus, ForgetfulBroker())

    with pytest.raises(ConfigurationIgnoredError, match="allow_atomic"):
        await reconcile_stream(broker, {"name": "NEW", "allow_atomic": True})


def test_difference_names_both_sides_and_skips_what_is_not_wanted() -> None:
    actual = {"max_age": 1, "storage": "file", "metadata": {"_nats.ver": "2.15"}}

    assert difference(actual, {"max_age": 2, "storage": "file", "max_bytes": 0}) == {"max_age": (1, 2)}


def test_streams_differ_by_retention() -> None:
    assert stream_config(EVENTS)["retention"] == "limits"
    assert stream_config(COMMANDS)["retention"] == "workqueue"
    assert stream_config(COMMANDS)["discard"] == "new"
    assert stream_config(PREDICTIONS)["persist_mode"] == "async"
    assert stream_config(PREDICTIONS, replicas=3)["persist_mode"] is None


def test_durables_are_named_by_service_and_subject() -> None:
    assert durable_of("registry", TrainingRunSucceeded) == "registry__training_run_succeeded_v1"
    names = [durable_of("x", message) for message in MESSAGES if issubclass(message, Event)]
    assert len(names) == len(set(names))


def test_commands_of_a_service_share_one_consumer() -> None:
    async def ignore(message: Any) -> list[Any]:
        return []

    heard = (StartTrainingRun, TrainingRunSucceeded, CancelTrainingRun)
    consumers = consumers_of("training", [Subscription(message, ignore) for message in heard], Retries())

    assert {definition.name: definition.subjects for definition, _ in consumers} == {
        "training__training_run_succeeded_v1": ("events.training.run.succeeded.v1.*",),
        "training__commands": ("commands.training.>",),
    }
    assert set(consumers[-1][1]) == {StartTrainingRun, CancelTrainingRun}


@pytest.mark.parametrize(("deliveries", "delay_s"), [(1, 0.25), (2, 0.5), (4, 2.0), (6, 8.0), (500, 8.0)])
def test_retries_wait_longer_each_time_up_to_a_bound(deliveries: int, delay_s: float) -> None:
    assert Retries().delay_s(deliveries) == delay_s


def test_no_subject_is_kept_by_two_streams() -> None:
    subjects = [subject.split(".") for stream in STREAMS for subject in stream.subjects]

    overlapping = [(one, other) for one, other in combinations(subjects, 2) if overlap(one, other)]

    assert overlapping == []


def overlap(one: list[str], other: list[str]) -> bool:
    for here, there in zip(one, other, strict=False):
        if ">" in (here, there):
            return True
        if here != there and "*" not in (here, there):
            return False
    return len(one) == len(other)
