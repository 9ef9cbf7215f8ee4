"""Two versions are compared by what differs, and only by that."""

from dataclasses import replace
from typing import Any

from contracts.bundle import Environment
from contracts.registry import GateVerdict
from services.registry.domain import ModelVersion, VersionState
from services.registry.gates import judge
from services.registry.provenance.comparison import Change, FileFate, Side, compare
from tests.contracts import examples
from tests.contracts.examples import GATES, NOON, PIPELINE, digest
from tests.fakes.registry.examples import evidence


def side(number: int = 1, *, code: dict[str, bytes] | None = None, packages: Any = None, **changes: Any) -> Side:
    found = evidence(number, **changes.pop("report", {}))
    manifest = found.manifest.model_copy(
        update={"lineage": found.manifest.lineage.model_copy(update=changes.pop("lineage", {}))}
    )
    version = ModelVersion(
        pipeline=PIPELINE,
        number=number,
        bundle_uri="/b",
        bundle_digest=digest("b"),
        manifest=manifest,
        report=found.report,
        card="",
        verdicts=judge(GATES, found.report, champion=None),
        registered_at=NOON,
        state=VersionState.PROMOTED,
    )
    environment = Environment(python="3.11.7", platform="linux-x86_64", packages=packages or {"numpy": "2.4.0"})
    definition = examples.definition().model_dump(mode="json")
    return Side(version, {**definition, **changes.pop("definition", {})}, environment, code or {})


def test_equal_versions_do_not_differ() -> None:
    diff = compare(side(1, code={"pipeline/pipeline.py": b"a"}), side(2, code={"pipeline/pipeline.py": b"a"}))

    assert diff.same_model_file
    assert (diff.from_version, diff.to_version) == (1, 2)
    assert not any((diff.parameters, diff.metrics, diff.data, diff.definition, diff.environment, diff.gates))
    assert not any((diff.source, diff.code))


def test_values_that_changed_came_or_went_are_named() -> None:
    other = side(
        2,
        lineage={"parameters": {"num_leaves": 63, "bagging": 0.5}, "seed": 18, "commit": "4b825dc", "modified": True},
        report={"metrics": {"auc": 0.5}},
        packages={"numpy": "2.4.1", "rich": "14.0"},
    )

    diff = compare(side(1), other)

    assert diff.parameters == (
        Change("bagging", None, 0.5),
        Change("num_leaves", 31, 63),
        Change("seed", 17, 18),
    )
    assert diff.metrics == (Change("auc", 0.71, 0.5),)
    assert diff.environment == (Change("numpy", "2.4.0", "2.4.1"), Change("rich", None, "14.0"))
    assert diff.source == (Change("commit", None, "4b825dc"), Change("modified", None, True))


def test_data_are_compared_by_version_and_digest() -> None:
    dataset = examples.lineage().dataset

    diff = compare(
        side(1), side(2, lineage={"dataset": dataset.model_copy(update={"version": 4, "digest": digest("e")})})
    )

    assert [change.name for change in diff.data] == ["digest", "version"]


def test_gates_are_compared_by_what_they_said() -> None:
    diff = compare(side(1), side(2, report={"metrics": {"auc": 0.5}}))

    absolute = next(change for change in diff.gates if change.name.startswith("absolute auc"))
    assert str(absolute.before).startswith("passed: auc 0.71")
    assert str(absolute.after).startswith("failed: auc 0.5")


def test_a_column_of_the_definition_is_known_by_its_name() -> None:
    definition = examples.definition().model_dump(mode="json")
    columns = [column for column in definition["dataset"]["columns"] if column["name"] != "carrier"]
    changed = {"dataset": {**definition["dataset"], "columns": columns}, "description": "Late?"}

    diff = compare(side(1), side(2, definition=changed))

    assert Change("description", "Will this flight arrive late?", "Late?") in diff.definition
    assert {change.name.rpartition(".")[0] for change in diff.definition} == {"", "dataset.columns.carrier"}


def test_code_is_compared_line_by_line() -> None:
    before = {"pipeline/pipeline.py": b"a\nb\n", "pipeline/old.py": b"x\n", "pipeline/sizes.bin": b"\xff\x00"}
    after = {"pipeline/pipeline.py": b"a\nc\n", "pipeline/new.py": b"y\n", "pipeline/sizes.bin": b"\xff\x01"}

    diff = compare(side(1, code=before), side(2, code=after))

    assert [(file.path, file.fate) for file in diff.code] == [
        ("pipeline/new.py", FileFate.ADDED),
        ("pipeline/old.py", FileFate.REMOVED),
        ("pipeline/pipeline.py", FileFate.CHANGED),
        ("pipeline/sizes.bin", FileFate.CHANGED),
    ]
    assert diff.code[2].diff.splitlines() == [
        "--- a/pipeline/pipeline.py",
        "+++ b/pipeline/pipeline.py",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]
    assert diff.code[3].diff == ""


def test_a_gate_that_only_one_version_had_is_named() -> None:
    one = side(1)
    without: tuple[GateVerdict, ...] = one.version.verdicts[:1]

    diff = compare(one, replace(one, version=replace(one.version, number=2, verdicts=without)))

    (change,) = diff.gates
    assert change.name.startswith("champion auc")
    assert change.after is None
