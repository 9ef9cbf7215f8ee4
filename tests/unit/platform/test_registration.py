"""Pipelines are found where people put them, imported apart, and registered with their code."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from everloop.bundle.code import read_snapshot
from everloop.platform.registration import pipeline_folders, prepare, shipped_pipelines, working_copy
from everloop.template import new_pipeline


def test_a_folder_or_the_folders_below_it_are_pipelines(tmp_path: Path) -> None:
    parcels = new_pipeline("parcels", tmp_path)
    trains = new_pipeline("trains", tmp_path)
    (tmp_path / "notes").mkdir()

    assert list(pipeline_folders([tmp_path])) == [parcels, trains]
    assert list(pipeline_folders([parcels])) == [parcels]


def test_the_shipped_pipeline_is_found() -> None:
    assert "flight_delays" in [path.name for path in pipeline_folders([shipped_pipelines()])]


def test_the_code_is_kept_under_its_digest(tmp_path: Path) -> None:
    folder = new_pipeline("parcels", tmp_path)

    command = prepare(folder, store=str(tmp_path / "store"))

    assert command.pipeline == "parcels"
    assert Path(command.code.uri).name == f"{command.code.digest.removeprefix('sha256:')}.zip"
    assert Path(command.code.uri).is_file()
    assert prepare(folder, store=str(tmp_path / "store")) == command


Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Type git's commands in the test's folder."""

    def run(*words: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(
            ["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True, text=True
        ).stdout

    return run


def test_commit_and_changes_of_a_working_copy_are_told(tmp_path: Path, git: Git) -> None:
    assert working_copy(tmp_path) == (None, False)
    git("init", "-q")
    (tmp_path / "pipeline.py").write_text("")
    git("add", ".")
    git("commit", "-qm", "First")
    commit = git("rev-parse", "HEAD").strip()

    assert working_copy(tmp_path) == (commit, False)
    (tmp_path / "pipeline.py").write_text("changed")
    assert working_copy(tmp_path) == (commit, True)


def test_a_file_that_git_ignores_is_a_change_where_it_is_taken_along(tmp_path: Path, git: Git) -> None:
    git("init", "-q")
    (tmp_path / ".gitignore").write_text("*.json\n__pycache__/\n")
    (tmp_path / "pipeline.py").write_text("")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "pipeline.pyc").write_bytes(b"")
    git("add", ".")
    git("commit", "-qm", "First")
    assert working_copy(tmp_path)[1] is False

    (tmp_path / "weights.json").write_text("{}")

    assert working_copy(tmp_path)[1] is True


def test_uncommitted_work_is_registered_as_it_is_beside_its_commit(tmp_path: Path, git: Git) -> None:
    folder = new_pipeline("parcels", tmp_path)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "First")
    with (folder / "pipeline.py").open("a") as file:
        file.write("\n# not committed yet\n")
    (folder / "notes.py").write_text("# not even added\n")

    code = prepare(folder, store=str(tmp_path / "store")).code

    assert (code.commit, code.modified) == (git("rev-parse", "HEAD").strip(), True)
    taken = read_snapshot(Path(code.uri).read_bytes())
    assert taken["pipeline/pipeline.py"].endswith(b"\n# not committed yet\n")
    assert taken["pipeline/notes.py"] == b"# not even added\n"
