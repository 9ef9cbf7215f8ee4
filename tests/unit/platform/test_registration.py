"""Pipelines are found where people put them, imported apart, and registered with their code."""

import subprocess
from pathlib import Path

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


def test_commit_and_changes_of_a_working_copy_are_told(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(
            ["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True, text=True
        ).stdout

    assert working_copy(tmp_path) == (None, False)
    git("init", "-q")
    (tmp_path / "pipeline.py").write_text("")
    git("add", ".")
    git("commit", "-qm", "First")
    commit = git("rev-parse", "HEAD").strip()

    assert working_copy(tmp_path) == (commit, False)
    (tmp_path / "pipeline.py").write_text("changed")
    assert working_copy(tmp_path) == (commit, True)
