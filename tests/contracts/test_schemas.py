"""What was published stays readable, and changes that would break it are caught."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contracts.catalog import BY_TYPE, MESSAGES, decode
from contracts.compatibility import breaks
from contracts.documents import schema_of
from contracts.envelope import Envelope
from contracts.message import Message
from contracts.registry import ModelVersionGatesEvaluated
from contracts.training import RegisterPipeline, TrainingRunFailed
from docs.generate import ROOT, SCHEMAS, broken_promises
from tests.contracts import examples
from tests.contracts.record_examples import RECORDED

RECORDS = sorted(RECORDED.glob("*.json"))


def test_no_published_promise_is_broken() -> None:
    assert broken_promises(ROOT / SCHEMAS) == []


def test_every_message_is_published_and_recorded() -> None:
    assert {file.stem for file in (ROOT / SCHEMAS).glob("*.json")} == set(BY_TYPE)
    assert {file.stem for file in RECORDS} >= set(BY_TYPE)


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_recorded_example_still_decodes(record: Path) -> None:
    envelope = Envelope.model_validate_json(record.read_bytes())

    message = decode(envelope)

    assert message.subject == record.stem
    assert _keeps(message.model_dump(mode="json"), envelope.data)


def _keeps(whole: Any, part: Any) -> bool:
    """Whether everything of the part is in the whole; newer fields may have joined it."""
    if isinstance(part, dict):
        return all(key in whole and _keeps(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(_keeps, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("message", examples.every_message(), ids=lambda message: type(message).__name__)
def test_examples_satisfy_the_published_schema(message: Message) -> None:
    published = json.loads((ROOT / SCHEMAS / f"{message.subject}.json").read_text())

    Draft202012Validator(published).validate(message.model_dump(mode="json"))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_every_field_added_to_a_message_needs_a_default(message: type[Message]) -> None:
    published = schema_of(message)
    proposed = deepcopy(published)
    proposed["properties"]["colour"] = {"type": "string", "default": "blue"}
    assert breaks(published, proposed) == []

    proposed["required"].append("colour")
    assert breaks(published, proposed) == ["colour: newly required"]


def _remove_field(schema: dict[str, Any]) -> None:
    del schema["properties"]["attempts"]
    schema["required"].remove("attempts")


def _retype_field(schema: dict[str, Any]) -> None:
    schema["properties"]["attempts"] = {"type": "string"}


def _make_nullable(schema: dict[str, Any]) -> None:
    schema["properties"]["attempts"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def _remove_enum_value(schema: dict[str, Any]) -> None:
    schema["$defs"]["FailureReason"]["enum"].remove("cancelled")


def _tighten_bound(schema: dict[str, Any]) -> None:
    schema["properties"]["detail"]["maxLength"] = 10


def _change_pattern(schema: dict[str, Any]) -> None:
    schema["properties"]["pipeline"]["pattern"] = "^[a-z]+$"


def _change_default(schema: dict[str, Any]) -> None:
    schema["properties"]["detail"]["default"] = "unknown"


def _no_longer_required(schema: dict[str, Any]) -> None:
    schema["required"].remove("attempts")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (_remove_field, "attempts: removed"),
        (_retype_field, "attempts: the type was integer, now string"),
        (_make_nullable, "attempts: the type was integer, now None"),
        (_remove_enum_value, "reason: no longer one of its values: cancelled"),
        (_tighten_bound, "detail: maxLength was 4000, now 10"),
        (_change_pattern, "pipeline: pattern was"),
        (_change_default, "detail: the default was"),
        (_no_longer_required, "attempts: was always there, now optional"),
    ],
)
def test_a_breaking_change_is_named_with_its_place(change: Any, place: str) -> None:
    published = schema_of(TrainingRunFailed)
    proposed = deepcopy(published)

    change(proposed)

    assert any(fault.startswith(place) for fault in breaks(published, proposed)), breaks(published, proposed)


def test_a_break_deep_inside_a_definition_is_found() -> None:
    published = schema_of(RegisterPipeline)
    proposed = deepcopy(published)
    del proposed["$defs"]["Column"]["properties"]["max_null_fraction"]
    proposed["$defs"]["ColumnRole"]["enum"].remove("extra")
    proposed["$defs"]["Monitors"]["properties"]["window"]["format"] = "date-time"

    assert {fault.rpartition(":")[0].strip() for fault in breaks(published, proposed)} == {
        "definition.dataset.columns[].max_null_fraction",
        "definition.dataset.columns[].role: no longer one of its values",
        "definition.monitors.window",
    }


def test_an_alternative_may_come_but_not_go() -> None:
    published = schema_of(ModelVersionGatesEvaluated)
    proposed = deepcopy(published)
    gate = proposed["$defs"]["GateVerdict"]["properties"]["gate"]
    newcomer = {"type": "object", "title": "MoonGate", "properties": {"kind": {"const": "moon"}}}
    gate["oneOf"].append(newcomer)
    assert breaks(published, proposed) == []

    gate["oneOf"] = [part for part in gate["oneOf"] if not part.get("$ref", "").endswith("ChampionGate")]
    assert breaks(published, proposed) == ["verdicts[].gate: no longer may be champion"]


def test_an_enumeration_may_grow() -> None:
    published = schema_of(TrainingRunFailed)
    proposed = deepcopy(published)
    proposed["$defs"]["FailureReason"]["enum"].append("preempted")

    assert breaks(published, proposed) == []


def test_the_generator_refuses_to_write_over_a_promise(tmp_path: Path) -> None:
    promised = schema_of(TrainingRunFailed)
    promised["properties"]["exit_status"] = {"type": "integer"}
    (tmp_path / f"{TrainingRunFailed.subject}.json").write_text(json.dumps(promised))
    (tmp_path / "events.training.run.paused.v1.json").write_text("{}")

    assert broken_promises(tmp_path) == [
        "events.training.run.failed.v1: exit_status: removed",
        "events.training.run.paused.v1: withdrawn",
    ]
