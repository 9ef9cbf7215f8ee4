"""Importing any module does nothing: no connection, file, directory, logger, thread, look into the environment."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ("ray", "torch", "lightgbm", "sqlalchemy", "fastapi", "services", "ray_jobs", "deltalake", "matplotlib")


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_does_nothing() -> None:
    told = json.loads(_python("-m", "tests.architecture.importing").splitlines()[-1])

    assert told == {"deeds": [], "failures": []}


def test_the_guard_would_notice(tmp_path: Path) -> None:
    """A guard that hears nothing would pass whatever the modules do."""
    program = f"""
        from tests.architecture import importing as guard
        import importlib, os, sys, pathlib
        guard.ROOT = pathlib.Path({str(tmp_path)!r})
        os.environ = guard.GuardedEnvironment(os.environ)
        sys.addaudithook(guard._hear)
        sys.path.insert(0, {str(tmp_path)!r})
        importlib.import_module("guilty")
        print("\\n".join(guard.deeds))
    """
    (tmp_path / "guilty.py").write_text(
        textwrap.dedent(f"""
            import os, pathlib, sqlite3
            HOME = os.environ.get("HOME")
            pathlib.Path({str(tmp_path / "made")!r}).mkdir()
            pathlib.Path({str(tmp_path / "written")!r}).write_text("x")
        """)
    )

    told = _python("-c", textwrap.dedent(program))

    assert "guilty.py:3 reads HOME from the environment" in told
    assert "guilty.py:4 os.mkdir" in told
    assert "guilty.py:5 writes" in told


def test_the_face_opens_without_the_heavy_parts() -> None:
    """Shell completion and `--help` wait for these imports, and `load_model` runs where no platform is installed."""
    told = _python(
        "-c",
        "import sys, everloop, everloop.cli.main; from everloop import Pipeline, load_model;"
        f"print(sorted(set({HEAVY!r}) & {{name.partition('.')[0] for name in sys.modules}}))",
    )

    assert told.strip() == "[]"
