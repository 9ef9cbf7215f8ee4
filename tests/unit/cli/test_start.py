"""The command answers quickly, explains itself, and fails with the documented codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from everloop.cli.main import PANELS, app

ASKED_FOR = frozenset(
    {
        "up",
        "down",
        "status",
        "doctor",
        "publish",
        "events",
        "ingest",
        "train",
        "models",
        "approve",
        "reject",
        "rollback",
    }
    | {"predict", "label", "runs", "why", "trace", "lineage", "rerun", "dead", "new", "pipeline", "demo", "monitor"}
    | {"export", "import", "verify", "diff", "alerts"}
)


def _everloop(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "everloop.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def test_every_command_is_there() -> None:
    assert get_command(app).commands.keys() >= ASKED_FOR  # type: ignore[attr-defined]


def test_every_command_says_what_it_does_with_an_example() -> None:
    for commands in PANELS.values():
        for command in commands:
            assert "Example: everloop " in (command.__doc__ or ""), command.__name__


def test_help_imports_nothing_heavy() -> None:
    heavy = ("ray", "pyarrow", "nats", "httpx", "pydantic", "numpy", "fastapi")
    code = (
        "import sys; sys.argv = ['everloop', '--help']\n"
        "from everloop.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"sys.exit(' '.join(name for name in {heavy!r} if name in sys.modules) or 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_help_comes_at_once() -> None:
    def spent_s() -> float:
        times = os.times()
        return times.children_user + times.children_system

    # Time on the processor, which other work on the machine does not stretch much.
    began = spent_s()
    assert _everloop("--help").returncode == 0

    assert spent_s() - began < 0.8


@pytest.mark.parametrize("words", [("status",), ("models",), ("why", "p"), ("down",), ("events",), ("dead", "list")])
def test_without_a_platform_the_code_is_3_and_the_sentence_helps(words: tuple[str, ...], tmp_path: Path) -> None:
    done = _everloop(*words, "--home", str(tmp_path))

    assert done.returncode == 3
    assert str(tmp_path) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("publish",), ("approve", "m", "x"), ("nonsense",), ("train", "p", "-P", "novalue")])
def test_wrong_usage_is_2(words: tuple[str, ...]) -> None:
    assert _everloop(*words).returncode == 2


def test_a_broken_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "everloop.toml").write_text("[platform]\nport = 1\n")

    done = _everloop("up", "--home", str(tmp_path))

    assert done.returncode == 2
    assert "everloop.toml: port: Extra inputs" in done.stderr


def test_a_shell_is_told_how_to_complete() -> None:
    # Asked the way a shell asks, since `--show-completion` looks for the shell among its ancestors.
    command = Path(sys.executable).with_name("everloop")
    done = subprocess.run(
        [command], capture_output=True, text=True, timeout=60, env=os.environ | {"_EVERLOOP_COMPLETE": "source_bash"}
    )

    assert "complete " in done.stdout
