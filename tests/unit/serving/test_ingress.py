"""Each home has an ingress of its own, closed to the outside."""

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.serving.haproxy import edited
from services.serving.ingress import LARGEST_MESSAGE_BYTES, LONGEST_SOCKET_PATH, NODE_AND_NAME, environment
from services.serving.settings import ServingSettings
from tests.fixtures.haproxy import written_by_ray


def test_launcher_edits_what_ray_wrote_and_starts_haproxy(tmp_path: Path) -> None:
    launcher = environment(tmp_path, 8000)["RAY_SERVE_HAPROXY_BINARY_PATH"]
    file = tmp_path / "haproxy.cfg"
    file.write_text(written_by_ray(tmp_path))

    checked = subprocess.run([launcher, "-db", "-f", file, "-c"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
    assert file.read_text() == edited(written_by_ray(tmp_path))


def test_sockets_have_paths_the_system_takes(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20)

    for home in (tmp_path, deep):
        path = Path(environment(home, 8000)["RAY_SERVE_HAPROXY_SOCKET_PATH"])
        assert len(str(path.parent)) + NODE_AND_NAME <= LONGEST_SOCKET_PATH
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_homes_share_neither_ports_nor_paths(tmp_path: Path) -> None:
    one, other = environment(tmp_path / "one", 8000), environment(tmp_path / "other", 8001)

    own = [name for name in one if name.endswith(("_PORT", "_LOC", "_SOCKET_PATH", "BINARY_PATH", "_FILE", "_BASE"))]
    assert len(own) > 8
    assert [name for name in own if one[name] == other[name]] == []


def test_a_request_that_is_allowed_fits_through_grpc() -> None:
    ServingSettings(max_request_bytes=LARGEST_MESSAGE_BYTES)

    with pytest.raises(ValidationError, match="max_request_bytes"):
        ServingSettings(max_request_bytes=LARGEST_MESSAGE_BYTES + 1)
