"""Every service has the same files, no module is two nouns, no drawer is there to throw things into."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from contracts.catalog import MESSAGES
from contracts.message import Command, Event
from contracts.streams import STREAMS, stream_of
from docs.events import listeners_by_message
from services.chassis.consumers import durable_of

ROOT = Path(__file__).parents[2]
ROOTS = ("contracts", "services", "ray_jobs", "everloop")
SERVICES = ("ingestion", "monitoring", "registry", "serving", "training")
ANATOMY = ("__init__.py", "domain.py", "ports.py", "handlers.py", "store.py", "api.py", "settings.py", "main.py")
VOCABULARY = {
    "monitoring": {"monitoring", "alerts"},
    "registry": {"registry", "registered_models", "tracking", "logged_models"},
    "serving": {"serving", "inference", "precompute"},
}
"""Modules of contracts that hold an owner's messages, where one would hold several nouns."""
DRAWERS = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc", "shared", "tools"}
LONGEST_LINES = 300
EVENT = re.compile(r"^events\.[a-z]+\.[a-z_]+\.[a-z_]+\.v[1-9][0-9]*$")
COMMAND = re.compile(r"^commands\.[a-z]+\.[a-z_]+\.[a-z_]+\.v[1-9][0-9]*$")
DURABLE = re.compile(r"^[a-z]+__[a-z][a-z0-9_]*_v[1-9][0-9]*$")

MODULES = sorted(path for root in (*ROOTS, "tests", "docs") for path in (ROOT / root).rglob("*.py"))
PRODUCT = [path for path in MODULES if path.relative_to(ROOT).parts[0] in ROOTS]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_no_services_but_these() -> None:
    found = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")}

    assert found == {*SERVICES, "chassis"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_files(service: str) -> None:
    folder = ROOT / "services" / service

    assert [file for file in ANATOMY if not (folder / file).is_file()] == []
    assert list((folder / "migrations" / "versions").glob("0001_*.py")), "the first migration is missing"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_owns_hears_and_says(service: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / "services" / service / "__init__.py").read_text())) or ""

    assert re.findall(r"\b(?:Owns|Hears|Says)\b", docstring) == ["Owns", "Hears", "Says"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_only_events_of_its_own(service: str) -> None:
    """A fact said by another than its owner makes the page of events a lie."""
    names = {message.__name__: message for message in MESSAGES if issubclass(message, Event)}

    for path in (ROOT / "services" / service).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                assert names[node.func.id].owner() == service, f"{_name(path)} says {node.func.id}"


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in PRODUCT}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_LINES} == {}


def test_there_is_no_drawer_to_throw_things_into() -> None:
    assert [_name(path) for path in MODULES if DRAWERS & {path.stem, *path.relative_to(ROOT).parts[:-1]}] == []


def test_every_public_module_says_what_it_is_for() -> None:
    silent = [
        path for path in PRODUCT if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert [_name(path) for path in silent] == []


def test_nothing_waits_to_be_done_later() -> None:
    """A wish belongs into an issue, where somebody sees it."""
    marks = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")

    assert [_name(path) for path in MODULES if path != Path(__file__) and marks.search(path.read_text())] == []


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_subject_follows_the_grammar(message: type[Event] | type[Command]) -> None:
    grammar = COMMAND if issubclass(message, Command) else EVENT

    assert grammar.match(message.subject)
    assert message.__module__.removeprefix("contracts.") in VOCABULARY.get(message.owner(), {message.owner()})
    assert "subject" in vars(message), "write the subject out, so that it can be found"
    assert message.__doc__


def test_subjects_are_told_apart_and_every_one_is_kept() -> None:
    assert len({message.subject for message in MESSAGES}) == len(MESSAGES)
    for message in MESSAGES:
        kept_by = [
            stream for stream in STREAMS if any(_covers(filter_, message.subject) for filter_ in stream.subjects)
        ]
        assert kept_by == [stream_of(message)]


def test_durable_names_say_who_hears_what() -> None:
    names = [
        durable_of(service, message)
        for message, services in listeners_by_message().items()
        if issubclass(message, Event)
        for service in services
    ]

    assert all(DURABLE.match(name) for name in names), names
    assert len(set(names)) == len(names)


def test_contracts_need_nothing_but_pydantic() -> None:
    allowed = {*sys.stdlib_module_names, "contracts", "pydantic"}
    strangers = {
        (_name(path), name) for path in (ROOT / "contracts").rglob("*.py") for name in _imports(path) - allowed
    }

    assert strangers == set()


def test_every_root_package_is_under_the_import_rules() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "docs"}

    assert set(config["importlinter"]["root_packages"]) == packages == set(ROOTS)


def _covers(pattern: str, subject: str) -> bool:
    """Whether a stream's subject filter takes messages of a subject, its pipeline appended."""
    return f"{subject}.p".startswith(pattern.removesuffix(">"))


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
