"""`everloop doctor` finds what is wrong and says what to do."""

import socket
from pathlib import Path

import pytest

from everloop.platform import checks, nats
from everloop.platform.checks import Finding, examine
from everloop.platform.home import Home


def _found(home: Home) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(home)}


def test_this_machine_can_run_the_platform(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()

    found = _found(home)

    assert [one for one in found.values() if one.verdict == "problem"] == []
    assert found["nats-server"].found.startswith("v2.")
    assert found["home"].verdict == "ok"


def test_everything_wrong_comes_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    tmp_path.chmod(0o755)
    home.config_file.write_text("[platform]\nunknown = 1\n")
    monkeypatch.setattr(nats.shutil, "which", lambda _name: None)
    monkeypatch.setattr(nats.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(checks, "version", _nothing_installed)

    found = _found(home)

    assert found["home"].advice == f"others may enter it: chmod 700 {tmp_path}"
    assert "unknown" in found["settings"].found
    for name in ("nats-server", "ray", "settings"):
        assert found[name].verdict == "problem"
        assert found[name].advice


def test_ports_in_use_are_a_warning_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(checks, "DEFAULT_PORTS", {"nats": other.getsockname()[1]})

        ports = _found(Home(tmp_path))["ports"]

    assert ports.verdict == "warning"
    assert "nats" in ports.found


def _nothing_installed(name: str) -> str:
    raise checks.PackageNotFoundError(name)
