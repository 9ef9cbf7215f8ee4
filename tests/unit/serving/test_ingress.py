"""Each home has an ingress of its own, closed to the outside."""

import subprocess
from pathlib import Path

from services.serving.ingress import LONGEST_SOCKET_PATH, NODE_AND_NAME, environment

CONFIGURATION = """global
    stats socket {directory}/admin.sock mode 666 level admin expose-fd listeners
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind *:8404
  stats enable
"""


def test_launcher_closes_what_ray_leaves_open(tmp_path: Path) -> None:
    launcher = environment(tmp_path, 8000)["RAY_SERVE_HAPROXY_BINARY_PATH"]
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(directory=tmp_path))

    checked = subprocess.run([launcher, "-db", "-f", file, "-c"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
    binds = [line.split()[1] for line in file.read_text().splitlines() if line.split()[:1] == ["bind"]]
    assert binds == ["127.0.0.1:9101", "127.0.0.1:8000", "127.0.0.1:8404"]
    assert "mode 600 level admin" in file.read_text()
    rule = r"http-request replace-path ^/v1/models/([^/]+)(/.*)?$ /v2/models/\1/v1\2"
    assert file.read_text().count(rule) == 1


def test_sockets_have_paths_the_system_takes(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20)

    for home in (tmp_path, deep):
        path = Path(environment(home, 8000)["RAY_SERVE_HAPROXY_SOCKET_PATH"])
        assert len(str(path.parent)) + NODE_AND_NAME <= LONGEST_SOCKET_PATH
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_homes_share_neither_ports_nor_paths(tmp_path: Path) -> None:
    one, other = environment(tmp_path / "one", 8000), environment(tmp_path / "other", 8001)

    own = [name for name in one if name.endswith(("_PORT", "_LOC", "_PATH", "_FILE", "_BASE"))]
    assert len(own) > 8
    assert [name for name in own if one[name] == other[name]] == []
