"""Generated documents are up to date, complete and valid in the eyes of their own makers."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from contracts.catalog import MESSAGES
from contracts.message import Command
from docs.events import listeners_by_message
from docs.generate import ROOT, generated

CHECKER = Path(__file__).parent / "asyncapi"
INSTALL_TIMEOUT_S = 180
GENERATED = generated()


@pytest.mark.parametrize("path", GENERATED, ids=str)
def test_generated_file_is_up_to_date(path: Path) -> None:
    written = (ROOT / path).read_text() if (ROOT / path).exists() else ""

    assert written == GENERATED[path], "run: make docs"


def test_the_page_tells_of_every_message() -> None:
    page = (ROOT / "docs/events.md").read_text()

    for message in MESSAGES:
        assert f"## {message.__name__}\n" in page
        assert f"`{message.subject}.<pipeline>`" in page


def test_the_page_links_only_to_what_is_there() -> None:
    page = (ROOT / "docs/events.md").read_text()

    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / target).exists(), target


def test_every_command_is_heard_by_its_owner_alone() -> None:
    listeners = listeners_by_message()

    for message in MESSAGES:
        if issubclass(message, Command):
            assert listeners.get(message) == [message.owner()], message


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the official parser, from the lock beside the script."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("Node is not installed, so AsyncAPI's own parser cannot be asked")
    if not (CHECKER / "node_modules" / "@asyncapi" / "parser").is_dir():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(command, cwd=CHECKER, capture_output=True, timeout=INSTALL_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm did not answer in time, so AsyncAPI's own parser cannot be asked")
        if done.returncode:
            pytest.skip(f"npm cannot install AsyncAPI's own parser: {done.stderr.decode()[-300:]}")
    return node


def _parse(node: str, document: Path) -> subprocess.CompletedProcess[str]:
    command = [node, "check.mjs", str(document)]
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=CHECKER, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_asyncapi_document_satisfies_the_official_parser(node: str) -> None:
    done = _parse(node, ROOT / "docs/asyncapi.json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"version": "3.0.0", "channels": len(MESSAGES), "operations": len(MESSAGES)}


def test_the_official_parser_would_find_a_fault(node: str, tmp_path: Path) -> None:
    document = json.loads((ROOT / "docs/asyncapi.json").read_text())
    document["operations"]["sendDriftDetected"]["channel"]["$ref"] = "#/channels/Nowhere"
    (tmp_path / "broken.json").write_text(json.dumps(document))

    done = _parse(node, tmp_path / "broken.json")

    assert done.returncode == 1
    assert "Nowhere" in done.stderr
