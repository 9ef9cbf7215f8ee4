"""The log is replayed whole: no fact of the registry is one that nobody takes down."""

from contracts.catalog import MESSAGES
from contracts.message import Event
from contracts.registry import ModelCommandRefused
from services.registry.past.replay import REPLAYED

CHANGES_NOTHING = {ModelCommandRefused}


def test_every_fact_of_the_registry_is_retold() -> None:
    facts = {message for message in MESSAGES if issubclass(message, Event) and message.owner() == "registry"}

    assert facts - REPLAYED.keys() == CHANGES_NOTHING
