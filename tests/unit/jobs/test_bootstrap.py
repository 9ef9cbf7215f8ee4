import subprocess
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from everloop import storage
from everloop.bundle.manifest import BundleError
from ray_jobs.bootstrap import fetch


@pytest.fixture
def code(tmp_path: Path) -> tuple[str, str]:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("platform/ray_jobs/__init__.py", "")
        archive.writestr("platform/ray_jobs/hello.py", "import sys\nprint('the snapshot says', sys.argv[1])\n")
    uri = storage.write_once(str(tmp_path / "code"), buffer.getvalue(), suffix=".zip")
    return uri, storage.digest(buffer.getvalue())


def test_a_snapshot_is_unpacked_once(code: tuple[str, str], tmp_path: Path) -> None:
    first = fetch(*code, tmp_path / "cache")
    Path(code[0]).unlink()

    assert fetch(*code, tmp_path / "cache") == first
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.name]


def test_other_bytes_than_expected_are_refused(code: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="digest mismatch"):
        fetch(code[0], storage.digest(b"other"), tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


def test_the_snapshot_wins_over_the_place_it_is_started_in(code: tuple[str, str], tmp_path: Path) -> None:
    here = Path(__file__).parents[3]

    done = subprocess.run(
        [sys.executable, "-m", "ray_jobs.bootstrap", *code, str(tmp_path / "cache"), "ray_jobs.hello", "hi"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "the snapshot says hi\n"), done.stderr
