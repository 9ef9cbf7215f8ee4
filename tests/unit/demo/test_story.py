"""The demo's numbers are computed from what was said, stage by stage."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.envelope import seal
from contracts.ingestion import DatasetIngested
from contracts.message import Message
from contracts.pipeline import TriggerKind
from contracts.registry import ModelVersionPromoted
from contracts.serving import RolloutCompleted
from contracts.training import TrainingRunStarted, TrainingRunSucceeded
from everloop.client import Heard
from everloop.demo.main import DemoOptionsError, run
from everloop.demo.story import Story
from tests.contracts.examples import every_message

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
HANDED_IN = "the-file"


def example(kind: type[Message], **changes: object) -> Message:
    found = next(message for message in every_message() if isinstance(message, kind))
    return found.model_copy(update=changes)


def story(*said: tuple[float, Message]) -> Story:
    """Hear messages, each some seconds after the file was handed in."""
    heard = []
    for place, (after_s, message) in enumerate(said):
        envelope = seal(message, message_id=str(place), source="test", time=BEGAN + timedelta(seconds=after_s))
        heard.append(Heard(place, envelope.time, envelope.model_copy(update={"correlationid": HANDED_IN}), message))
    return Story(said=heard, handed_in={HANDED_IN: BEGAN})


def a_turn(kind: TriggerKind) -> Story:
    run_id = uuid4()
    started = example(TrainingRunStarted, run_id=run_id, dataset_version=2)
    assert isinstance(started, TrainingRunStarted)
    return story(
        (1, example(DatasetIngested, dataset_version=2)),
        (3, started.model_copy(update={"cause": started.cause.model_copy(update={"kind": kind})})),
        (10, example(TrainingRunSucceeded, run_id=run_id)),
        (10.5, example(ModelVersionPromoted, run_id=run_id, version=4)),
        (11, example(RolloutCompleted, version=4)),
    )


def test_latency_adds_up_from_the_file_to_the_answering_model() -> None:
    latency = a_turn(TriggerKind.DATA).loop_latency_s()

    assert latency == {"total": 11, "ingestion": 1, "decision": 2, "training": 7, "registry": 0.5, "serving": 0.5}


@pytest.mark.parametrize(
    ("kind", "retrainings"), [(TriggerKind.DRIFT, 1), (TriggerKind.QUALITY, 1), (TriggerKind.DATA, 0)]
)
def test_only_a_monitors_fact_counts_as_retraining_from_monitoring(kind: TriggerKind, retrainings: int) -> None:
    told = a_turn(kind)

    assert told.retrainings_from_monitoring == retrainings
    assert told.decision(0) == f"{kind.value} → v4 promoted"
    assert told.decision(len(told.said)) == "champion stays: no run"


def test_a_directory_that_is_no_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(DemoOptionsError, match="not a demo's"):
        run(home=tmp_path)

    assert (tmp_path / "thesis.txt").read_text() == "years of work"
