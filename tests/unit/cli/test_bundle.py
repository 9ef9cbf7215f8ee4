"""`everloop bundle` names a version as programs do, and says in a sentence what is wrong with a name."""

import json
import sys
from pathlib import Path

import pytest

from everloop.cli.exits import Exit
from everloop.cli.main import main
from tests.fixtures.bundles import Bundles, bundles
from tests.fixtures.registry import RegistryServer, cache_dir, registry

__all__ = ["bundles", "cache_dir", "registry"]


def everloop(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Type a command; gives its exit status."""
    monkeypatch.setattr(sys, "argv", ["everloop", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_a_version_is_shown_verified_and_exported_by_its_name(
    registry: RegistryServer,
    bundles: Bundles,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    registry.promote(2, bundles.write(2))

    assert everloop(monkeypatch, "bundle", "show", "tiny", "--json") == 0
    assert json.loads(capsys.readouterr().out)["version"] == 2
    assert everloop(monkeypatch, "bundle", "verify", "tiny@previous", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"version": 1, "files": 9, "golden_difference": 0.0}
    out = str(tmp_path / "onnx")
    assert everloop(monkeypatch, "bundle", "export", "tiny/1", "-f", "onnx", "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["path"] == out
    assert (tmp_path / "onnx" / "README.md").read_text().startswith("# tiny 1\n")


def test_offline_the_last_known_version_is_exported(
    registry: RegistryServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    export = ("bundle", "export", "tiny", "--offline", "-f", "onnx", "-o", str(tmp_path / "onnx"))
    assert everloop(monkeypatch, *export) == Exit.TRY_AGAIN

    assert everloop(monkeypatch, "bundle", "verify", "tiny") == 0
    registry.stop()

    assert everloop(monkeypatch, *export) == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("show", "tiny:1"), Exit.USAGE, "'tiny:1' names no model; write model@champion"),
        (("show", "giant"), Exit.FAILED, "nothing is at /v1/models/giant"),
        (("verify", "/nowhere"), Exit.FAILED, "cannot read /nowhere/manifest.json"),
        (("export", "tiny", "-f", "tensorflow", "-o", "out"), Exit.USAGE, "choose onnx, mlflow, wheel"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    registry: RegistryServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    status: Exit,
    said: str,
) -> None:
    assert everloop(monkeypatch, "bundle", *words) == status

    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
