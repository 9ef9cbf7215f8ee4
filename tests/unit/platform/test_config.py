"""The settings file: read where it is, refused where it is wrong."""

from pathlib import Path

import pytest

from everloop.platform.config import ConfigError, otlp_endpoint, read_config, store_uri
from everloop.platform.home import Home
from everloop.platform.up import UpOptions


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("EVERLOOP_CONFIG", "EVERLOOP_STORE_URI", "EVERLOOP_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return Home(tmp_path)


def test_without_a_file_there_are_defaults(home: Home) -> None:
    assert read_config(home).ray_cpus == 8
    assert store_uri(home) == str(home.store)


def test_the_file_is_obeyed_and_the_command_line_wins(home: Home) -> None:
    home.config_file.write_text(
        'store_uri = "s3://bucket"\n[platform]\nports = {nats = 5000, serve = 5001}\nray_cpus = 4\n'
    )

    chosen = UpOptions.merge(read_config(home), ports={"nats": 6000}, port_base=None, ray_cpus=None, pipelines=())

    assert chosen.ports == {"nats": 6000, "serve": 5001}
    assert chosen.ray.cpus == 4
    assert store_uri(home) == "s3://bucket"


def test_the_environment_wins_over_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.config_file.write_text('otlp_endpoint = "http://file:4318"')
    monkeypatch.setenv("EVERLOOP_OTLP_ENDPOINT", "http://env:4318")

    assert otlp_endpoint(home, "http://embedded") == "http://env:4318"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[platform]\nray_cpu = 4", "ray_cpu"),
        ("[platform]\nports = {natz = 4222}", "natz"),
        ("[platform]\nray_cpus = 'many'", "ray_cpus"),
        ("[platform", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(home: Home, content: str, named: str) -> None:
    home.config_file.write_text(content)

    with pytest.raises(ConfigError, match=named):
        read_config(home)


def test_options_can_be_said_again_as_arguments(home: Home) -> None:
    chosen = UpOptions.merge(
        read_config(home), ports={"nats": 6000}, port_base=7000, ray_cpus=4, pipelines=[Path("/pipelines")]
    )

    assert chosen.arguments() == [
        *("--port", "nats=6000"),
        *("--port-base", "7000"),
        *("--ray-cpus", "4"),
        *("--pipelines", "/pipelines"),
    ]
